"""YOLOv3 over a small Darknet: leaky ReLUs, and a list of layers that is run by its numbers.

Redmon and Farhadi, "YOLOv3", 2018, https://arxiv.org/abs/1804.02767
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from zoo.entry import Entry, images


class Shortcut(nn.Module):
    """Stands for the sum with an earlier layer's map."""

    def __init__(self, source: int) -> None:
        super().__init__()
        self.source = source


class Route(nn.Module):
    """Stands for earlier layers' maps, concatenated."""

    def __init__(self, *sources: int) -> None:
        super().__init__()
        self.sources = sources


def convolution(channels: int, out: int, size: int, stride: int = 1) -> nn.Sequential:
    """A convolution, its norm and a leaky ReLU, named as in Darknet's descriptions."""
    parts = nn.Sequential()
    parts.add_module("conv", nn.Conv2d(channels, out, size, stride, size // 2, bias=False))
    parts.add_module("batch_norm", nn.BatchNorm2d(out, momentum=0.03, eps=1e-4))
    parts.add_module("leaky", nn.LeakyReLU(0.1, inplace=True))
    return parts


class YOLOv3(nn.Module):
    """Layers by number; two of them predict."""

    def __init__(self, width: int = 8, predictions: int = 18) -> None:
        super().__init__()
        self.module_list = nn.ModuleList(
            [
                convolution(3, width, 3),
                convolution(width, 2 * width, 3, 2),
                convolution(2 * width, width, 1),
                convolution(width, 2 * width, 3),
                Shortcut(-3),
                convolution(2 * width, 4 * width, 3, 2),
                convolution(4 * width, 2 * width, 1),
                convolution(2 * width, 4 * width, 3),
                Shortcut(-3),
                convolution(4 * width, 8 * width, 3, 2),
                nn.Conv2d(8 * width, predictions, 1),
                Route(-2),
                convolution(8 * width, 2 * width, 1),
                nn.Upsample(scale_factor=2),
                Route(-1, 8),
                convolution(6 * width, 4 * width, 3),
                nn.Conv2d(4 * width, predictions, 1),
            ]
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Returns the predictions of both scales, the coarse one first."""
        maps: list[Tensor] = []
        predictions = []
        for module in self.module_list:
            if isinstance(module, Shortcut):
                x = maps[-1] + maps[module.source]
            elif isinstance(module, Route):
                x = torch.cat([maps[source] for source in module.sources], 1)
            else:
                x = module(x)
            if isinstance(module, nn.Conv2d):
                predictions.append(x)
            maps.append(x)
        return predictions


def places(output: Any) -> Tensor:
    """All predictions, place after place."""
    return torch.cat([scale.flatten(2) for scale in output], 2)


ENTRIES = [Entry("yolo_v3", "plain", YOLOv3, images(3, 48, 48), places)]
