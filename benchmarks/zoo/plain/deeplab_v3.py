"""DeepLabV3's head over dilated convolutions, with an auxiliary head.

Chen, Papandreou, Schroff and Adam, "Rethinking Atrous Convolution", 2017,
https://arxiv.org/abs/1706.05587; with torchvision's structure.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.entry import Entry, images, only


def activated(channels: int, out: int, size: int, stride: int = 1, dilation: int = 1) -> nn.Module:
    """A convolution, its norm and ReLU."""
    padding = dilation * (size // 2)
    return nn.Sequential(
        nn.Conv2d(channels, out, size, stride, padding, dilation, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(),
    )


class ASPPPooling(nn.Sequential):
    """The average of the whole map, with a norm over nothing but the batch."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__(nn.AdaptiveAvgPool2d(1), activated(channels, out, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Returns a constant map of the input's size."""
        size = x.shape[-2:]
        for part in self:
            x = part(x)
        return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


class ASPP(nn.Module):
    """Convolutions of several dilations side by side, and the average."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [
                activated(channels, out, 1),
                *(activated(channels, out, 3, dilation=dilation) for dilation in (2, 4)),
                ASPPPooling(channels, out),
            ]
        )
        self.project = nn.Sequential(activated(4 * out, out, 1), nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        """Returns the branches, concatenated and projected."""
        y: Tensor = self.project(torch.cat([convolution(x) for convolution in self.convs], 1))
        return y


class DeepLabV3(nn.Module):
    """A backbone whose last stage is dilated, and two heads."""

    def __init__(self, width: int = 8, num_classes: int = 3) -> None:
        super().__init__()
        self.early = nn.Sequential(activated(3, width, 3, 2), activated(width, 2 * width, 3, 2))
        self.late = nn.Sequential(
            activated(2 * width, 4 * width, 3, 2), activated(4 * width, 4 * width, 3, dilation=2)
        )
        self.classifier = nn.Sequential(
            ASPP(4 * width, 2 * width),
            activated(2 * width, 2 * width, 3),
            nn.Conv2d(2 * width, num_classes, 1),
        )
        self.aux_classifier = nn.Sequential(
            activated(2 * width, width, 3), nn.Dropout(0.1), nn.Conv2d(width, num_classes, 1)
        )

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        """Returns both heads' logits of each pixel."""
        size = x.shape[-2:]
        early = self.early(x)
        heads = {"out": self.classifier(self.late(early)), "aux": self.aux_classifier(early)}
        result = OrderedDict[str, Tensor]()
        for name, logits in heads.items():
            result[name] = F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
        return result


def out(output: Any) -> Tensor:
    """The main head's logits."""
    return only(output["out"])


ENTRIES = [Entry("deeplab_v3", "plain", DeepLabV3, images(3, 64, 64), out)]
