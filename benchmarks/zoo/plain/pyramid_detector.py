"""A detector over a pyramid of maps, whose heads share their convolutions over its levels.

Lin, Goyal, Girshick, He and Dollár, "Focal Loss" (RetinaNet), 2017,
https://arxiv.org/abs/1708.02002: no norms, over a backbone of frozen ones; Tian, Shen, Chen and He,
"FCOS", 2019, https://arxiv.org/abs/1904.01355: one group norm for all levels; Tan, Pang and Le,
"EfficientDet", 2019, https://arxiv.org/abs/1911.09070: a batch norm for each level.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.entry import Entry, images
from zoo.plain.resnet import BasicBlock, NormLayer, ResNet

WIDTH = 16
LEVELS = 3


class FrozenBatchNorm2d(nn.Module):
    """Batch norm whose statistics and parameters are constants."""

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight: Tensor
        self.bias: Tensor
        self.running_mean: Tensor
        self.running_var: Tensor
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Returns the map times one number and plus another, of each channel."""
        w, b = self.weight.reshape(1, -1, 1, 1), self.bias.reshape(1, -1, 1, 1)
        mean, var = self.running_mean.reshape(1, -1, 1, 1), self.running_var.reshape(1, -1, 1, 1)
        scale = w * (var + self.eps).rsqrt()
        return x * scale + (b - mean * scale)


class FeaturePyramid(nn.Module):
    """Brings the backbone's maps to one width and adds the coarse ones to the fine ones."""

    def __init__(self, channels: list[int]) -> None:
        super().__init__()
        self.inner_blocks = nn.ModuleList(nn.Conv2d(n, WIDTH, 1) for n in channels)
        self.layer_blocks = nn.ModuleList(nn.Conv2d(WIDTH, WIDTH, 3, padding=1) for _ in channels)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Returns a map for each level, the finest first."""
        laterals = [block(x) for block, x in zip(self.inner_blocks, maps, strict=True)]
        merged = laterals[-1]
        levels = [self.layer_blocks[-1](merged)]
        for index in reversed(range(len(maps) - 1)):
            up = F.interpolate(merged, size=laterals[index].shape[-2:], mode="nearest")
            merged = laterals[index] + up
            levels.insert(0, self.layer_blocks[index](merged))
        return levels


class Head(nn.Module):
    """Convolutions that every level passes through, with one norm for all or one for each."""

    def __init__(self, out: int, norm: NormLayer | None, norm_of_each_level: bool) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(WIDTH, WIDTH, 3, padding=1) for _ in range(2))
        self.norms = nn.ModuleList()
        if norm is not None:
            kinds = LEVELS if norm_of_each_level else 1
            for _ in range(kinds):
                self.norms.append(nn.ModuleList(norm(WIDTH) for _ in self.convolutions))
        self.predictor = nn.Conv2d(WIDTH, out, 3, padding=1)

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """Returns a prediction for each place of each level."""
        predictions = []
        for number, x in enumerate(levels):
            for index, convolution in enumerate(self.convolutions):
                x = convolution(x)
                if len(self.norms) > 0:
                    norms: Any = self.norms[number % len(self.norms)]
                    x = norms[index](x)
                x = F.relu(x)
            predictions.append(self.predictor(x).flatten(2).transpose(1, 2))
        return predictions


class PyramidDetector(nn.Module):
    """A ResNet, a pyramid of three of its maps, and heads for classes and boxes."""

    def __init__(
        self,
        backbone_norm: NormLayer,
        head_norm: NormLayer | None,
        norm_of_each_level: bool = False,
    ) -> None:
        super().__init__()
        self.backbone = ResNet(BasicBlock, (1, 1, 1, 1), width=8, norm_layer=backbone_norm)
        del self.backbone.avgpool, self.backbone.fc
        self.fpn = FeaturePyramid([16, 32, 64])
        self.classes = Head(4, head_norm, norm_of_each_level)
        self.boxes = Head(4, head_norm, norm_of_each_level)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Returns logits and boxes of all places, one level after the other."""
        body = self.backbone
        x = body.layer1(body.maxpool(body.relu(body.bn1(body.conv1(x)))))
        maps = []
        for layer in (body.layer2, body.layer3, body.layer4):
            x = layer(x)
            maps.append(x)
        levels = self.fpn(maps)
        logits, boxes = torch.cat(self.classes(levels), 1), torch.cat(self.boxes(levels), 1)
        return {"logits": logits, "boxes": torch.exp(boxes)}


def both(output: Any) -> Tensor:
    """Logits and boxes side by side."""
    return torch.cat([output["logits"], output["boxes"]], 2)


def entry(name: str, make: Callable[[], nn.Module]) -> Entry:
    """An entry of one of the detectors."""
    return Entry(name, "plain", make, images(3, 64, 64), both)


ENTRIES = [
    entry("retinanet", lambda: PyramidDetector(FrozenBatchNorm2d, None)),
    entry("fcos", lambda: PyramidDetector(nn.BatchNorm2d, lambda n: nn.GroupNorm(4, n))),
    entry("shared_batch_norm", lambda: PyramidDetector(nn.BatchNorm2d, nn.BatchNorm2d)),
    entry("efficientdet", lambda: PyramidDetector(nn.BatchNorm2d, nn.BatchNorm2d, True)),
]
