"""MobileNetV2, with torchvision's structure, names of parameters and initialisation.

Sandler, Howard, Zhu, Zhmoginov and Chen, "MobileNetV2", 2018, https://arxiv.org/abs/1801.04381
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from networks.layers import Norm

STAGES = [
    # expansion, channels, blocks, stride of the first
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
]


def activated(
    norm: Norm, channels: int, out: int, size: int, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """A convolution with its norm and ReLU6."""
    convolution = nn.Conv2d(
        channels, out, size, stride, padding=size // 2, groups=groups, bias=False
    )
    return nn.Sequential(convolution, norm(out, act="relu6"))


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution and projection; the last norm adds the shortcut."""

    def __init__(self, norm: Norm, channels: int, out: int, stride: int, expansion: int) -> None:
        super().__init__()
        self.shortcut = stride == 1 and channels == out
        hidden = expansion * channels
        self.conv = nn.Sequential(
            *([activated(norm, channels, hidden, 1)] if expansion != 1 else []),
            activated(norm, hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, out, 1, bias=False),
            norm(out),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Returns F(x), or F(x) + x where the shapes agree."""
        *convolutions, norm = self.conv
        y = x
        for part in convolutions:
            y = part(y)
        y = norm(y, residual=x if self.shortcut else None)
        assert isinstance(y, Tensor)
        return y


class MobileNetV2(nn.Module):
    """The network of width 1 for images of three channels, over any set of layers."""

    def __init__(self, norm: Norm, num_classes: int = 1000) -> None:
        super().__init__()
        channels, last = 32, 1280
        features: list[nn.Module] = [activated(norm, 3, channels, 3, 2)]
        for expansion, out, blocks, first_stride in STAGES:
            for block in range(blocks):
                stride = first_stride if block == 0 else 1
                features.append(InvertedResidual(norm, channels, out, stride, expansion))
                channels = out
        features.append(activated(norm, channels, last, 1))
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
        x = nn.functional.adaptive_avg_pool2d(self.features(x), 1)
        logits = self.classifier(torch.flatten(x, 1))
        assert isinstance(logits, Tensor)
        return logits
