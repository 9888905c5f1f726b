"""MobileNetV2, with torchvision's structure, names of parameters and initialisation.

Sandler, Howard, Zhu, Zhmoginov and Chen, "MobileNetV2", 2018, https://arxiv.org/abs/1801.04381
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.entry import Entry, images

STAGES = (
    # expansion, channels, blocks, stride of the first
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class ConvNormActivation(nn.Sequential):
    """A convolution with its norm and ReLU6."""

    def __init__(self, channels: int, out: int, size: int, stride: int = 1, groups: int = 1):
        super().__init__(
            nn.Conv2d(channels, out, size, stride, size // 2, groups=groups, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU6(inplace=True),
        )


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, and projection with a norm that nothing activates."""

    def __init__(self, channels: int, out: int, stride: int, expansion: int) -> None:
        super().__init__()
        self.use_res_connect = stride == 1 and channels == out
        hidden = expansion * channels
        self.conv = nn.Sequential(
            *([ConvNormActivation(channels, hidden, 1)] if expansion != 1 else []),
            ConvNormActivation(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, out, 1, bias=False),
            nn.BatchNorm2d(out),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Returns F(x), or x + F(x) where the shapes agree."""
        if self.use_res_connect:
            y: Tensor = x + self.conv(x)
        else:
            y = self.conv(x)
        return y


class MobileNetV2(nn.Module):
    """The network for images of three channels."""

    def __init__(
        self,
        stem: int = 32,
        stages: Sequence[tuple[int, int, int, int]] = STAGES,
        last: int = 1280,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        channels = stem
        features: list[nn.Module] = [ConvNormActivation(3, stem, 3, 2)]
        for expansion, out, blocks, first_stride in stages:
            for block in range(blocks):
                stride = first_stride if block == 0 else 1
                features.append(InvertedResidual(channels, out, stride, expansion))
                channels = out
        features.append(ConvNormActivation(channels, last, 1))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(last, num_classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits."""
        x = self.features(x)
        x = F.adaptive_avg_pool2d(x, (1, 1))
        logits: Tensor = self.classifier(torch.flatten(x, 1))
        return logits


def mobilenet_v2() -> MobileNetV2:
    """torchvision's, whole."""
    return MobileNetV2()


def small() -> MobileNetV2:
    """All seven stages, narrow, with two blocks at most."""
    stages = [
        (expansion, channels // 4, min(blocks, 2), stride)
        for expansion, channels, blocks, stride in STAGES
    ]
    return MobileNetV2(8, stages, last=80, num_classes=10)


ENTRIES = [Entry("mobilenet_v2", "plain", small, images(3, 64, 64))]
