"""VGG, with batch norm and without, with torchvision's structure and names of parameters.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2014,
https://arxiv.org/abs/1409.1556
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from zoo.entry import Entry, images


class VGG(nn.Module):
    """Rows of 3×3 convolutions between poolings; a convolution has a bias even before a norm."""

    def __init__(
        self,
        stages: Sequence[Sequence[int]],
        norm_layer: Callable[[int], nn.Module] | None = None,
        hidden: int = 4096,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        channels = 3
        layers: list[nn.Module] = []
        for stage in stages:
            for out in stage:
                layers.append(nn.Conv2d(channels, out, 3, padding=1))
                if norm_layer is not None:
                    layers.append(norm_layer(out))
                layers.append(nn.ReLU(inplace=True))
                channels = out
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Sequential(
            nn.Linear(channels * 49, hidden),
            nn.ReLU(True),
            nn.Dropout(),
            nn.Linear(hidden, hidden),
            nn.ReLU(True),
            nn.Dropout(),
            nn.Linear(hidden, num_classes),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits."""
        x = self.avgpool(self.features(x))
        logits: Tensor = self.classifier(torch.flatten(x, 1))
        return logits


def small(norm_layer: Callable[[int], nn.Module] | None = None) -> VGG:
    """VGG-11 of width 8."""
    stages = [(8,), (16,), (32, 32), (64, 64), (64, 64)]
    return VGG(stages, norm_layer, hidden=32, num_classes=10)


ENTRIES = [
    Entry("vgg", "plain", small, images(3, 64, 64)),
    Entry("vgg_bn", "plain", lambda: small(nn.BatchNorm2d), images(3, 64, 64)),
]
