"""ResNeXt: a ResNet whose 3×3 convolutions are grouped.

Xie, Girshick, Dollár, Tu and He, "Aggregated Residual Transformations", 2016,
https://arxiv.org/abs/1611.05431
"""

from __future__ import annotations

from zoo.entry import Entry, images
from zoo.plain.resnet import Bottleneck, ResNet


def small() -> ResNet:
    """One or two bottlenecks a stage, in four groups."""
    return ResNet(Bottleneck, (2, 1, 2, 1), 8, groups=4, width_per_group=16, num_classes=10)


ENTRIES = [Entry("resnext", "plain", small, images(3, 64, 64))]
