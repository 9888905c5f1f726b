"""MobileNetV3: gates and hard activations, with torchvision's structure.

Howard and others, "Searching for MobileNetV3", 2019, https://arxiv.org/abs/1905.02244
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.entry import Entry, images

BLOCKS = (
    # channels, hidden, out, size, gate, activation, stride
    (8, 8, 8, 3, True, nn.ReLU, 2),
    (8, 32, 12, 3, False, nn.ReLU, 2),
    (12, 40, 12, 3, False, nn.ReLU, 1),
    (12, 48, 16, 5, True, nn.Hardswish, 2),
    (16, 64, 16, 5, True, nn.Hardswish, 1),
)


class ConvNormActivation(nn.Sequential):
    """A convolution, its norm, and an activation if there is one."""

    def __init__(
        self,
        channels: int,
        out: int,
        size: int,
        activation: type[nn.ReLU | nn.Hardswish] | None,
        stride: int = 1,
        groups: int = 1,
    ) -> None:
        layers: list[nn.Module] = [
            nn.Conv2d(channels, out, size, stride, size // 2, groups=groups, bias=False),
            nn.BatchNorm2d(out, eps=0.001, momentum=0.01),
        ]
        if activation is not None:
            layers.append(activation(inplace=True))
        super().__init__(*layers)


class SqueezeExcitation(nn.Module):
    """A gate for each channel, of the averages of all."""

    def __init__(self, channels: int, squeeze: int) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeeze, 1)
        self.fc2 = nn.Conv2d(squeeze, channels, 1)
        self.activation = nn.ReLU()
        self.scale_activation = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Returns the map times its gates."""
        scale = self.fc2(self.activation(self.fc1(self.avgpool(x))))
        gated: Tensor = self.scale_activation(scale) * x
        return gated


class InvertedResidual(nn.Module):
    """Expansion if any, depthwise convolution, gate if any, and projection."""

    def __init__(
        self,
        channels: int,
        hidden: int,
        out: int,
        size: int,
        gate: bool,
        activation: type[nn.ReLU | nn.Hardswish],
        stride: int,
    ) -> None:
        super().__init__()
        self.use_res_connect = stride == 1 and channels == out
        layers: list[nn.Module] = []
        if hidden != channels:
            layers.append(ConvNormActivation(channels, hidden, 1, activation))
        layers.append(ConvNormActivation(hidden, hidden, size, activation, stride, hidden))
        if gate:
            layers.append(SqueezeExcitation(hidden, max(hidden // 4, 8)))
        layers.append(ConvNormActivation(hidden, out, 1, None))
        self.block = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Returns F(x), plus x where the shapes agree."""
        result: Tensor = self.block(x)
        if self.use_res_connect:
            result += x
        return result


class MobileNetV3(nn.Module):
    """The small one's kinds of blocks, narrow."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential(
            ConvNormActivation(3, 8, 3, nn.Hardswish, 2),
            *(InvertedResidual(*block) for block in BLOCKS),
            ConvNormActivation(16, 96, 1, nn.Hardswish),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(96, 64),
            nn.Hardswish(inplace=True),
            nn.Dropout(p=0.2, inplace=True),
            nn.Linear(64, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits."""
        x = self.avgpool(self.features(x))
        logits: Tensor = self.classifier(torch.flatten(x, 1))
        return logits


ENTRIES = [Entry("mobilenet_v3", "plain", MobileNetV3, images(3, 64, 64))]
