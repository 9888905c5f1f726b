"""EfficientNet: inverted residuals with gates, SiLU and stochastic depth.

Tan and Le, "EfficientNet", 2019, https://arxiv.org/abs/1905.11946; with torchvision's structure.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from zoo.entry import Entry, images
from zoo.plain.stochastic_depth import StochasticDepth

STAGES = (
    # expansion, size, stride of the first, channels, blocks
    (1, 3, 1, 8, 1),
    (6, 3, 2, 8, 2),
    (6, 5, 2, 12, 2),
    (6, 3, 2, 16, 2),
    (6, 5, 1, 24, 1),
)


class ConvNormActivation(nn.Sequential):
    """A convolution, its norm, and SiLU if wanted."""

    def __init__(
        self,
        channels: int,
        out: int,
        size: int,
        stride: int = 1,
        groups: int = 1,
        activated: bool = True,
    ) -> None:
        layers: list[nn.Module] = [
            nn.Conv2d(channels, out, size, stride, size // 2, groups=groups, bias=False),
            nn.BatchNorm2d(out),
        ]
        if activated:
            layers.append(nn.SiLU(inplace=True))
        super().__init__(*layers)


class SqueezeExcitation(nn.Module):
    """A gate for each channel, of the averages of all."""

    def __init__(self, channels: int, squeeze: int) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeeze, 1)
        self.fc2 = nn.Conv2d(squeeze, channels, 1)
        self.activation = nn.SiLU(inplace=True)
        self.scale_activation = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Returns the map times its gates."""
        scale = self.activation(self.fc1(self.avgpool(x)))
        gated: Tensor = self.scale_activation(self.fc2(scale)) * x
        return gated


class MBConv(nn.Module):
    """Expansion, depthwise convolution, gate and projection."""

    def __init__(
        self, channels: int, out: int, expansion: int, size: int, stride: int, drop: float
    ) -> None:
        super().__init__()
        self.use_res_connect = stride == 1 and channels == out
        hidden = expansion * channels
        layers: list[nn.Module] = []
        if hidden != channels:
            layers.append(ConvNormActivation(channels, hidden, 1))
        layers.append(ConvNormActivation(hidden, hidden, size, stride, groups=hidden))
        layers.append(SqueezeExcitation(hidden, max(1, channels // 4)))
        layers.append(ConvNormActivation(hidden, out, 1, activated=False))
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(drop)

    def forward(self, x: Tensor) -> Tensor:
        """Returns F(x), plus x where the shapes agree."""
        result: Tensor = self.block(x)
        if self.use_res_connect:
            result = self.stochastic_depth(result)
            result += x
        return result


class EfficientNet(nn.Module):
    """Stages of such blocks; the deeper, the more often one is left out."""

    def __init__(
        self,
        stages: Sequence[tuple[int, int, int, int, int]] = STAGES,
        stem: int = 8,
        drop: float = 0.2,
        num_classes: int = 10,
    ) -> None:
        super().__init__()
        total = sum(blocks for *_, blocks in stages)
        features: list[nn.Module] = [ConvNormActivation(3, stem, 3, 2)]
        channels, built = stem, 0
        for expansion, size, first_stride, out, blocks in stages:
            stage = []
            for block in range(blocks):
                stride = first_stride if block == 0 else 1
                rate = drop * built / total
                stage.append(MBConv(channels, out, expansion, size, stride, rate))
                channels, built = out, built + 1
            features.append(nn.Sequential(*stage))
        features.append(ConvNormActivation(channels, 4 * channels, 1))
        self.features = nn.Sequential(*features)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Dropout(0.2, inplace=True), nn.Linear(4 * channels, num_classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits."""
        x = self.avgpool(self.features(x))
        logits: Tensor = self.classifier(torch.flatten(x, 1))
        return logits


ENTRIES = [Entry("efficientnet", "plain", EfficientNet, images(3, 64, 64))]
