"""ConvNeXt: layer norm over the channels, which are moved to the end for it and back.

Liu, Mao, Wu, Feichtenhofer, Darrell and Xie, "A ConvNet for the 2020s", 2022,
https://arxiv.org/abs/2201.03545; with torchvision's structure and names of parameters.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.entry import Entry, images
from zoo.plain.stochastic_depth import StochasticDepth


class LayerNorm2d(nn.LayerNorm):
    """Layer norm over the channels of each pixel."""

    def forward(self, x: Tensor) -> Tensor:
        """Returns the map, normalised."""
        x = x.permute(0, 2, 3, 1)
        x = F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class Permute(nn.Module):
    """Moves dimensions, as a layer."""

    def __init__(self, *dims: int) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        """Returns a view of `x`."""
        return torch.permute(x, self.dims)


class CNBlock(nn.Module):
    """Depthwise 7×7; then norm and two linear layers with the channels last; then a scale."""

    def __init__(self, channels: int, layer_scale: float, drop: float) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(channels, channels, 7, padding=3, groups=channels, bias=True),
            Permute(0, 2, 3, 1),
            nn.LayerNorm(channels, eps=1e-6),
            nn.Linear(channels, 4 * channels),
            nn.GELU(),
            nn.Linear(4 * channels, channels),
            Permute(0, 3, 1, 2),
        )
        self.layer_scale = nn.Parameter(torch.ones(channels, 1, 1) * layer_scale)
        self.stochastic_depth = StochasticDepth(drop)

    def forward(self, x: Tensor) -> Tensor:
        """Returns x + F(x)."""
        result: Tensor = self.layer_scale * self.block(x)
        result = self.stochastic_depth(result)
        result += x
        return result


class ConvNeXt(nn.Module):
    """Four stages; between two a norm comes before the convolution that halves the map.

    `layer_scale` is 1e-6 in the paper, with which fresh blocks do next to nothing.
    """

    def __init__(self, width: int = 8, layer_scale: float = 0.5, num_classes: int = 10) -> None:
        super().__init__()
        norm = partial(LayerNorm2d, eps=1e-6)
        channels = width
        features: list[nn.Module] = [nn.Sequential(nn.Conv2d(3, width, 4, 4), norm(width))]
        for stage, blocks in enumerate((1, 1, 2, 1)):
            if stage > 0:
                down = nn.Conv2d(channels, 2 * channels, 2, stride=2)
                features.append(nn.Sequential(norm(channels), down))
                channels *= 2
            row = [CNBlock(channels, layer_scale, 0.05 * stage) for _ in range(blocks)]
            features.append(nn.Sequential(*row))
        self.features = nn.Sequential(*features)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            norm(channels), nn.Flatten(1), nn.Linear(channels, num_classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits."""
        logits: Tensor = self.classifier(self.avgpool(self.features(x)))
        return logits


ENTRIES = [Entry("convnext", "plain", ConvNeXt, images(3, 64, 64))]
