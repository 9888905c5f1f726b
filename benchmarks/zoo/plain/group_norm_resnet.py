"""A ResNet with group norm.

Wu and He, "Group Normalization", 2018, https://arxiv.org/abs/1803.08494
"""

from __future__ import annotations

from torch import nn

from zoo.entry import Entry, images
from zoo.plain.resnet import Bottleneck, ResNet


def group_norm(channels: int) -> nn.GroupNorm:
    """Group norm of four groups, for widths that 32 groups do not fit."""
    return nn.GroupNorm(4, channels)


def small() -> ResNet:
    """Two bottlenecks a stage."""
    return ResNet(Bottleneck, (2, 2, 2, 2), width=8, norm_layer=group_norm, num_classes=10)


ENTRIES = [Entry("resnet_group_norm", "plain", small, images(3, 64, 64))]
