"""RegNetY: grouped bottlenecks with gates, with torchvision's structure.

Radosavovic, Kosaraju, Girshick, He and Dollár, "Designing Network Design Spaces", 2020,
https://arxiv.org/abs/2003.13678
"""

from __future__ import annotations

from torch import Tensor, nn

from zoo.entry import Entry, images


def convolution(
    channels: int, out: int, size: int, stride: int = 1, groups: int = 1, activated: bool = True
) -> nn.Sequential:
    """A convolution, its norm, and a ReLU if wanted."""
    padding = size // 2
    layers: list[nn.Module] = [
        nn.Conv2d(channels, out, size, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(out),
    ]
    if activated:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class SqueezeExcitation(nn.Module):
    """A gate for each channel, of the averages of all."""

    def __init__(self, channels: int, squeeze: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, squeeze, 1),
            nn.ReLU(),
            nn.Conv2d(squeeze, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Returns the map times its gates."""
        gated: Tensor = x * self.gate(x)
        return gated


class ResBottleneckBlock(nn.Module):
    """1×1, grouped 3×3, gate and 1×1, with the shortcut and one ReLU at its end."""

    def __init__(self, channels: int, out: int, stride: int, group_width: int) -> None:
        super().__init__()
        self.proj: nn.Module | None = None
        if stride != 1 or channels != out:
            self.proj = convolution(channels, out, 1, stride, activated=False)
        self.f = nn.Sequential(
            convolution(channels, out, 1),
            convolution(out, out, 3, stride, groups=out // group_width),
            SqueezeExcitation(out, channels // 4),
            convolution(out, out, 1, activated=False),
        )
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Returns relu(shortcut(x) + F(x))."""
        x = x + self.f(x) if self.proj is None else self.proj(x) + self.f(x)
        y: Tensor = self.activation(x)
        return y


class RegNet(nn.Module):
    """Four stages, each of which halves the map."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.stem = convolution(3, 8, 3, 2)
        blocks = []
        channels = 8
        for out, depth in ((8, 1), (16, 2), (24, 2), (32, 1)):
            for block in range(depth):
                blocks.append(ResBottleneckBlock(channels, out, 2 if block == 0 else 1, 8))
                channels = out
        self.trunk_output = nn.Sequential(*blocks)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits."""
        x = self.avgpool(self.trunk_output(self.stem(x)))
        logits: Tensor = self.fc(x.flatten(start_dim=1))
        return logits


ENTRIES = [Entry("regnet", "plain", RegNet, images(3, 64, 64))]
