"""DenseNet: norm, ReLU, convolution; every layer is given all maps before it.

Huang, Liu, van der Maaten and Weinberger, "Densely Connected Convolutional Networks", 2016,
https://arxiv.org/abs/1608.06993; with torchvision's structure and names of parameters.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.entry import Entry, images


class DenseLayer(nn.Module):
    """A 1×1 and a 3×3 convolution, each after its norm and ReLU."""

    def __init__(self, channels: int, growth: int, drop_rate: float) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(channels, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)
        self.drop_rate = drop_rate

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Returns the layer's own map."""
        x = torch.cat(maps, 1)
        x = self.conv1(self.relu1(self.norm1(x)))
        x = self.conv2(self.relu2(self.norm2(x)))
        if self.drop_rate > 0:
            x = F.dropout(x, p=self.drop_rate, training=self.training)
        return x


class DenseBlock(nn.ModuleDict):
    """Layers that share a list of maps."""

    def __init__(self, layers: int, channels: int, growth: int, drop_rate: float) -> None:
        super().__init__()
        for index in range(layers):
            layer = DenseLayer(channels + index * growth, growth, drop_rate)
            self.add_module(f"denselayer{index + 1}", layer)

    def forward(self, x: Tensor) -> Tensor:
        """Returns all maps, concatenated."""
        maps = [x]
        for layer in self.values():
            maps.append(layer(maps))
        return torch.cat(maps, 1)


class Transition(nn.Sequential):
    """Halves the channels and the map."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(channels, out, 1, bias=False)
        self.pool = nn.AvgPool2d(2, stride=2)


class DenseNet(nn.Module):
    """Dense blocks with transitions between them."""

    def __init__(
        self,
        growth: int = 32,
        blocks: Sequence[int] = (6, 12, 24, 16),
        stem: int = 64,
        drop_rate: float = 0.0,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        parts = OrderedDict[str, nn.Module](
            conv0=nn.Conv2d(3, stem, 7, stride=2, padding=3, bias=False),
            norm0=nn.BatchNorm2d(stem),
            relu0=nn.ReLU(inplace=True),
            pool0=nn.MaxPool2d(3, stride=2, padding=1),
        )
        channels = stem
        for index, layers in enumerate(blocks, 1):
            parts[f"denseblock{index}"] = DenseBlock(layers, channels, growth, drop_rate)
            channels += layers * growth
            if index < len(blocks):
                parts[f"transition{index}"] = Transition(channels, channels // 2)
                channels //= 2
        parts[f"norm{len(blocks) + 1}"] = nn.BatchNorm2d(channels)
        self.features = nn.Sequential(parts)
        self.classifier = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits."""
        features = self.features(x)
        out = F.relu(features, inplace=True)
        out = F.adaptive_avg_pool2d(out, (1, 1))
        logits: Tensor = self.classifier(torch.flatten(out, 1))
        return logits


def small() -> DenseNet:
    """Four dense blocks of two or three layers, with dropout."""
    return DenseNet(8, (2, 3, 3, 2), stem=16, drop_rate=0.1, num_classes=10)


ENTRIES = [Entry("densenet", "plain", small, images(3, 64, 64))]
