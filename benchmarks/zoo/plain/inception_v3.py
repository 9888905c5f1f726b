"""Inception v3's kinds of branches: factorised convolutions, poolings that are functions.

Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the Inception Architecture", 2015,
https://arxiv.org/abs/1512.00567; with torchvision's names.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.entry import Entry, images

Pair = tuple[int, int]


class BasicConv2d(nn.Module):
    """A convolution, its norm and a ReLU that is a function, in place."""

    def __init__(
        self, channels: int, out: int, size: int | Pair, stride: int = 1, padding: int | Pair = 0
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, size, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(out, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """Returns relu(norm(convolution(x)))."""
        return F.relu(self.bn(self.conv(x)), inplace=True)


class InceptionA(nn.Module):
    """1×1, 5×5, twice 3×3, and average pooling."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.branch1x1 = BasicConv2d(channels, width, 1)
        self.branch5x5_1 = BasicConv2d(channels, width, 1)
        self.branch5x5_2 = BasicConv2d(width, width, 5, padding=2)
        self.branch3x3dbl_1 = BasicConv2d(channels, width, 1)
        self.branch3x3dbl_2 = BasicConv2d(width, width, 3, padding=1)
        self.branch3x3dbl_3 = BasicConv2d(width, width, 3, padding=1)
        self.branch_pool = BasicConv2d(channels, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Returns 4 × `width` channels."""
        branch5x5 = self.branch5x5_2(self.branch5x5_1(x))
        branch3x3 = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        pooled = self.branch_pool(F.avg_pool2d(x, kernel_size=3, stride=1, padding=1))
        return torch.cat([self.branch1x1(x), branch5x5, branch3x3, pooled], 1)


class InceptionB(nn.Module):
    """Halves the map: two branches of convolutions, and max pooling as it is."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.branch3x3 = BasicConv2d(channels, width, 3, stride=2)
        self.branch3x3dbl_1 = BasicConv2d(channels, width, 1)
        self.branch3x3dbl_2 = BasicConv2d(width, width, 3, padding=1)
        self.branch3x3dbl_3 = BasicConv2d(width, width, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Returns 2 × `width` channels more than it is given."""
        branch3x3 = self.branch3x3(x)
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([branch3x3, double, F.max_pool2d(x, kernel_size=3, stride=2)], 1)


class InceptionC(nn.Module):
    """7×7 convolutions, factorised into 1×7 and 7×1."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.branch1x1 = BasicConv2d(channels, width, 1)
        self.branch7x7_1 = BasicConv2d(channels, width, 1)
        self.branch7x7_2 = BasicConv2d(width, width, (1, 7), padding=(0, 3))
        self.branch7x7_3 = BasicConv2d(width, width, (7, 1), padding=(3, 0))
        self.branch_pool = BasicConv2d(channels, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Returns 3 × `width` channels."""
        branch7x7 = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        pooled = self.branch_pool(F.avg_pool2d(x, kernel_size=3, stride=1, padding=1))
        return torch.cat([self.branch1x1(x), branch7x7, pooled], 1)


class InceptionE(nn.Module):
    """A branch that itself forks into 1×3 and 3×1."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.branch1x1 = BasicConv2d(channels, width, 1)
        self.branch3x3_1 = BasicConv2d(channels, width, 1)
        self.branch3x3_2a = BasicConv2d(width, width, (1, 3), padding=(0, 1))
        self.branch3x3_2b = BasicConv2d(width, width, (3, 1), padding=(1, 0))

    def forward(self, x: Tensor) -> Tensor:
        """Returns 3 × `width` channels."""
        forked = self.branch3x3_1(x)
        branch3x3 = torch.cat([self.branch3x3_2a(forked), self.branch3x3_2b(forked)], 1)
        return torch.cat([self.branch1x1(x), branch3x3], 1)


class Inception3(nn.Module):
    """One module of each kind; the input's channels are scaled anew first."""

    def __init__(self, width: int = 8, num_classes: int = 10) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = BasicConv2d(3, width, 3, stride=2)
        self.Conv2d_2b_3x3 = BasicConv2d(width, 2 * width, 3, padding=1)
        self.maxpool1 = nn.MaxPool2d(3, stride=2)
        self.Mixed_5b = InceptionA(2 * width, width)
        self.Mixed_6a = InceptionB(4 * width, width)
        self.Mixed_6b = InceptionC(6 * width, 2 * width)
        self.Mixed_7b = InceptionE(6 * width, 2 * width)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=0.5)
        self.fc = nn.Linear(6 * width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits."""
        channels = [torch.unsqueeze(x[:, i], 1) * 0.458 - 0.03 for i in range(3)]
        x = torch.cat(channels, 1)
        x = self.maxpool1(self.Conv2d_2b_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Mixed_6a(self.Mixed_5b(x))
        x = self.Mixed_7b(self.Mixed_6b(x))
        x = self.dropout(self.avgpool(x))
        logits: Tensor = self.fc(torch.flatten(x, 1))
        return logits


ENTRIES = [Entry("inception_v3", "plain", Inception3, images(3, 64, 64))]
