"""U-Net with batch norm and transposed convolutions.

Ronneberger, Fischer and Brox, "U-Net", 2015, https://arxiv.org/abs/1505.04597
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.entry import Entry, images


def double_convolution(channels: int, out: int) -> nn.Sequential:
    """Two 3×3 convolutions with their norms and ReLUs."""
    return nn.Sequential(
        nn.Conv2d(channels, out, 3, padding=1),
        nn.BatchNorm2d(out),
        nn.ReLU(inplace=True),
        nn.Conv2d(out, out, 3, padding=1),
        nn.BatchNorm2d(out),
        nn.ReLU(inplace=True),
    )


class Up(nn.Module):
    """Doubles the map, with a norm of its own, and takes the encoder's beside it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(channels, channels // 2, 2, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(channels // 2)
        self.conv = double_convolution(channels, channels // 2)

    def forward(self, x: Tensor, skipped: Tensor) -> Tensor:
        """Returns a map of the size of `skipped`."""
        x = F.relu(self.norm(self.up(x)))
        height, width = skipped.size(2) - x.size(2), skipped.size(3) - x.size(3)
        x = F.pad(x, [width // 2, width - width // 2, height // 2, height - height // 2])
        y: Tensor = self.conv(torch.cat([skipped, x], dim=1))
        return y


class UNet(nn.Module):
    """Three levels down and up again."""

    def __init__(self, width: int = 8, num_classes: int = 3) -> None:
        super().__init__()
        self.inc = double_convolution(3, width)
        self.down = nn.ModuleList(
            nn.Sequential(nn.MaxPool2d(2), double_convolution(width * n, width * 2 * n))
            for n in (1, 2, 4)
        )
        self.up = nn.ModuleList(Up(width * n) for n in (8, 4, 2))
        self.outc = nn.Conv2d(width, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits of each pixel."""
        x = self.inc(x)
        skipped = []
        for down in self.down:
            skipped.append(x)
            x = down(x)
        for up in self.up:
            x = up(x, skipped.pop())
        logits: Tensor = self.outc(x)
        return logits


ENTRIES = [Entry("unet", "plain", UNet, images(3, 36, 36))]
