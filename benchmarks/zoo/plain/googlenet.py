"""GoogLeNet with batch norm: four branches, and auxiliary heads that run in training only.

Szegedy and others, "Going Deeper with Convolutions", 2014, https://arxiv.org/abs/1409.4842; with
torchvision's structure and names of parameters.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.entry import Entry, first, images


class Logits(NamedTuple):
    """What the network returns in training."""

    logits: Tensor
    aux_logits2: Tensor
    aux_logits1: Tensor


class BasicConv2d(nn.Module):
    """A convolution, its norm and a ReLU that is a function, in place."""

    def __init__(self, channels: int, out: int, size: int, stride: int = 1, padding: int = 0):
        super().__init__()
        self.conv = nn.Conv2d(channels, out, size, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(out, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """Returns relu(norm(convolution(x)))."""
        x = self.conv(x)
        x = self.bn(x)
        return F.relu(x, inplace=True)


class Inception(nn.Module):
    """Four branches side by side, concatenated: 1×1, two of 1×1 then 3×3, pooling then 1×1."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.out_channels = 8 * width
        self.branch1 = BasicConv2d(channels, 2 * width, 1)
        self.branch2 = nn.Sequential(
            BasicConv2d(channels, 3 * width, 1), BasicConv2d(3 * width, 4 * width, 3, padding=1)
        )
        self.branch3 = nn.Sequential(
            BasicConv2d(channels, width, 1), BasicConv2d(width, width, 3, padding=1)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1, ceil_mode=True), BasicConv2d(channels, width, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Returns the branches' maps, concatenated."""
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class InceptionAux(nn.Module):
    """An auxiliary head."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv = BasicConv2d(channels, 16, 1)
        self.fc1 = nn.Linear(16 * 16, 64)
        self.fc2 = nn.Linear(64, num_classes)
        self.dropout = nn.Dropout(p=0.7)

    def forward(self, x: Tensor) -> Tensor:
        """Returns its logits."""
        x = F.adaptive_avg_pool2d(x, (4, 4))
        x = torch.flatten(self.conv(x), 1)
        x = F.relu(self.fc1(x), inplace=True)
        logits: Tensor = self.fc2(self.dropout(x))
        return logits


class GoogLeNet(nn.Module):
    """The network, of a chosen width, with five of its nine modules."""

    def __init__(self, width: int = 4, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = BasicConv2d(3, 2 * width, 7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = BasicConv2d(2 * width, 2 * width, 1)
        self.conv3 = BasicConv2d(2 * width, 6 * width, 3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception3a = Inception(6 * width, width)
        self.inception4a = Inception(8 * width, 2 * width)
        self.inception4b = Inception(16 * width, 2 * width)
        self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.inception5a = Inception(16 * width, 3 * width)
        self.inception5b = Inception(24 * width, 3 * width)
        self.aux1 = InceptionAux(16 * width, num_classes)
        self.aux2 = InceptionAux(16 * width, num_classes)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(24 * width, num_classes)

    def forward(self, x: Tensor) -> Tensor | Logits:
        """Returns the logits, and in training those of the auxiliary heads with them."""
        x = self.maxpool1(self.conv1(x))
        x = self.maxpool2(self.conv3(self.conv2(x)))
        x = self.inception4a(self.inception3a(x))
        aux1 = self.aux1(x) if self.training else None
        x = self.inception4b(x)
        aux2 = self.aux2(x) if self.training else None
        x = self.inception5b(self.inception5a(self.maxpool4(x)))
        x = torch.flatten(self.avgpool(x), 1)
        logits: Tensor = self.fc(self.dropout(x))
        if aux1 is not None and aux2 is not None:
            return Logits(logits, aux2, aux1)
        return logits


ENTRIES = [Entry("googlenet", "plain", GoogLeNet, images(3, 96, 96), first)]
