"""A siamese network: one encoder is called twice, once for each half of the channels.

Chopra, Hadsell and LeCun, "Learning a Similarity Metric Discriminatively", 2005
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.entry import Entry, images


class Siamese(nn.Module):
    """Compares two images that come as one of six channels."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, width, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.PReLU(width),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.PReLU(2 * width),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(2 * width, width, bias=False),
            nn.BatchNorm1d(width, affine=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Returns the difference of the two codes."""
        left, right = torch.split(x, 3, dim=1)
        difference: Tensor = self.encoder(left) - self.encoder(right)
        return difference


ENTRIES = [Entry("siamese", "plain", Siamese, images(6, 32, 32))]
