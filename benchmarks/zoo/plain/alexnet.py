"""AlexNet, without normalization, with torchvision's structure and names of parameters.

Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014,
https://arxiv.org/abs/1404.5997
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.entry import Entry, images


class AlexNet(nn.Module):
    """Five convolutions and three linear layers, all with ReLUs in place."""

    def __init__(self, width: int = 64, hidden: int = 4096, num_classes: int = 1000) -> None:
        super().__init__()
        channels = [3, width, 3 * width, 6 * width, 4 * width, 4 * width]
        self.features = nn.Sequential(
            nn.Conv2d(channels[0], channels[1], 11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(channels[1], channels[2], 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(channels[2], channels[3], 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels[3], channels[4], 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels[4], channels[5], 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(
            nn.Dropout(),
            nn.Linear(channels[5] * 36, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits."""
        x = self.avgpool(self.features(x))
        logits: Tensor = self.classifier(torch.flatten(x, 1))
        return logits


ENTRIES = [
    Entry("alexnet", "plain", lambda: AlexNet(8, hidden=32, num_classes=10), images(3, 96, 96))
]
