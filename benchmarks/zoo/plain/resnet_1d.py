"""A ResNet for time series.

Wang, Yan and Oates, "Time Series Classification from Scratch with Deep Neural Networks", 2016,
https://arxiv.org/abs/1611.06455; the first of each three convolutions is over 8 steps there.
"""

from __future__ import annotations

from torch import Tensor, nn

from zoo.entry import Entry, images


class ConvBlock(nn.Module):
    """Convolutions over 7, 5 and 3 steps; the shortcut has a norm, and often no more than that."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for index, size in enumerate((7, 5, 3)):
            before = channels if index == 0 else out
            layers += [nn.Conv1d(before, out, size, padding="same"), nn.BatchNorm1d(out)]
            layers += [nn.ReLU()] if size > 3 else []
        self.layers = nn.Sequential(*layers)
        self.expand = nn.Conv1d(channels, out, 1) if channels != out else nn.Identity()
        self.norm = nn.BatchNorm1d(out)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Returns relu(norm(shortcut(x)) + F(x))."""
        y: Tensor = self.relu(self.norm(self.expand(x)) + self.layers(x))
        return y


class ResNet1d(nn.Module):
    """Three such blocks and the average over time."""

    def __init__(self, channels: int = 2, width: int = 16, num_classes: int = 5) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            ConvBlock(channels, width), ConvBlock(width, 2 * width), ConvBlock(2 * width, 2 * width)
        )
        self.fc = nn.Linear(2 * width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits."""
        logits: Tensor = self.fc(self.blocks(x).mean(dim=-1))
        return logits


ENTRIES = [Entry("resnet_1d", "plain", ResNet1d, images(2, 64))]
