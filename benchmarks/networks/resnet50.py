"""ResNet-50, with torchvision's structure, names of parameters and initialisation.

He, Zhang, Ren and Sun, "Deep Residual Learning", 2015, https://arxiv.org/abs/1512.03385; as in
torchvision the stride is that of the 3×3 convolution.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from networks.layers import Norm


def convolution(channels: int, out: int, size: int, stride: int = 1) -> nn.Conv2d:
    """A convolution without bias that keeps the map's size but for its stride."""
    return nn.Conv2d(channels, out, size, stride, padding=size // 2, bias=False)


class Bottleneck(nn.Module):
    """1×1, 3×3 and 1×1 convolutions; the last norm adds the shortcut and applies the ReLU."""

    expansion = 4

    def __init__(self, norm: Norm, channels: int, width: int, stride: int) -> None:
        super().__init__()
        out = self.expansion * width
        self.conv1 = convolution(channels, width, 1)
        self.bn1 = norm(width, act="relu")
        self.conv2 = convolution(width, width, 3, stride)
        self.bn2 = norm(width, act="relu")
        self.conv3 = convolution(width, out, 1)
        self.bn3 = norm(out, act="relu")
        self.downsample: nn.Module | None = None
        if stride != 1 or channels != out:
            self.downsample = nn.Sequential(convolution(channels, out, 1, stride), norm(out))

    def forward(self, x: Tensor) -> Tensor:
        """Returns relu(F(x) + shortcut(x))."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.bn1(self.conv1(x))
        y = self.bn2(self.conv2(y))
        y = self.bn3(self.conv3(y), residual=shortcut)
        assert isinstance(y, Tensor)
        return y


class ResNet50(nn.Module):
    """The network for images of three channels, over any set of layers."""

    def __init__(self, norm: Norm, num_classes: int = 1000) -> None:
        super().__init__()
        self.conv1 = convolution(3, 64, 7, 2)
        self.bn1 = norm(64, act="relu")
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        channels = 64
        stages = OrderedDict[str, nn.Module]()
        for stage, (width, blocks) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)], 1):
            row = []
            for block in range(blocks):
                stride = 2 if stage > 1 and block == 0 else 1
                row.append(Bottleneck(norm, channels, width, stride))
                channels = Bottleneck.expansion * width
            stages[f"layer{stage}"] = nn.Sequential(*row)
        for name, part in stages.items():
            self.add_module(name, part)
        self.stages = tuple(stages)
        self.fc = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits."""
        x = self.maxpool(self.bn1(self.conv1(x)))
        for stage in self.stages:
            x = self.get_submodule(stage)(x)
        logits = self.fc(torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1))
        assert isinstance(logits, Tensor)
        return logits
