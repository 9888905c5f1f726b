"""ShuffleNetV2: half of the channels pass untouched, then the channels are shuffled.

Ma, Zhang, Zheng and Sun, "ShuffleNet V2", 2018, https://arxiv.org/abs/1807.11164; with
torchvision's structure and names of parameters.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from zoo.entry import Entry, images


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Deals the channels of the groups out in turn."""
    batch, channels, height, width = x.size()
    x = x.view(batch, groups, channels // groups, height, width)
    x = torch.transpose(x, 1, 2).contiguous()
    return x.view(batch, channels, height, width)


def depthwise(channels: int, stride: int) -> list[nn.Module]:
    """A 3×3 convolution of each channel alone, with its norm and no activation."""
    convolution = nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False)
    return [convolution, nn.BatchNorm2d(channels)]


def pointwise(channels: int, out: int) -> list[nn.Module]:
    """A 1×1 convolution with its norm and ReLU."""
    convolution = nn.Conv2d(channels, out, 1, bias=False)
    return [convolution, nn.BatchNorm2d(out), nn.ReLU(inplace=True)]


class InvertedResidual(nn.Module):
    """Two branches; with stride 1 the first is half of the input as it is."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        half = out // 2
        self.branch1 = nn.Sequential()
        if stride > 1:
            self.branch1 = nn.Sequential(*depthwise(channels, stride), *pointwise(channels, half))
        self.branch2 = nn.Sequential(
            *pointwise(channels if stride > 1 else half, half),
            *depthwise(half, stride),
            *pointwise(half, half),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Returns both branches, shuffled."""
        if self.stride == 1:
            x1, x2 = x.chunk(2, dim=1)
            out = torch.cat((x1, self.branch2(x2)), dim=1)
        else:
            out = torch.cat((self.branch1(x), self.branch2(x)), dim=1)
        return channel_shuffle(out, 2)


class ShuffleNetV2(nn.Module):
    """Three stages; the first block of each halves the map."""

    def __init__(
        self,
        repeats: Sequence[int] = (4, 8, 4),
        channels: Sequence[int] = (24, 116, 232, 464, 1024),
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        stem, *widths, last = channels
        self.conv1 = nn.Sequential(
            nn.Conv2d(3, stem, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(stem),
            nn.ReLU(inplace=True),
        )
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        stages = []
        before = stem
        for width, blocks in zip(widths, repeats, strict=True):
            rest = [InvertedResidual(width, width, 1) for _ in range(blocks - 1)]
            stages.append(nn.Sequential(InvertedResidual(before, width, 2), *rest))
            before = width
        self.stage2, self.stage3, self.stage4 = stages
        self.conv5 = nn.Sequential(*pointwise(before, last))
        self.fc = nn.Linear(last, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits."""
        x = self.maxpool(self.conv1(x))
        x = self.stage4(self.stage3(self.stage2(x)))
        x = self.conv5(x)
        x = x.mean([2, 3])
        logits: Tensor = self.fc(x)
        return logits


def small() -> ShuffleNetV2:
    """Two or three blocks a stage."""
    return ShuffleNetV2((2, 3, 2), (8, 16, 32, 64, 64), num_classes=10)


ENTRIES = [Entry("shufflenet_v2", "plain", small, images(3, 64, 64))]
