"""Fast style transfer: instance norm, reflected borders, and maps enlarged before a convolution.

Johnson, Alahi and Fei-Fei, "Perceptual Losses", 2016, https://arxiv.org/abs/1603.08155; Ulyanov,
Vedaldi and Lempitsky, "Instance Normalization", 2016, https://arxiv.org/abs/1607.08022
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.entry import Entry, images


class ReflectedConvolution(nn.Module):
    """A convolution whose border is reflected; the map may be enlarged first."""

    def __init__(self, channels: int, out: int, size: int, stride: int = 1, enlarge: int = 1):
        super().__init__()
        self.enlarge = enlarge
        self.pad = nn.ReflectionPad2d(size // 2)
        self.conv = nn.Conv2d(channels, out, size, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the convolved map."""
        if self.enlarge > 1:
            x = F.interpolate(x, scale_factor=float(self.enlarge), mode="nearest")
        y: Tensor = self.conv(self.pad(x))
        return y


class ResidualBlock(nn.Module):
    """Two convolutions; nothing activates their sum with the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = ReflectedConvolution(channels, channels, 3)
        self.in1 = nn.InstanceNorm2d(channels, affine=True)
        self.conv2 = ReflectedConvolution(channels, channels, 3)
        self.in2 = nn.InstanceNorm2d(channels)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Returns F(x) + x."""
        out = self.relu(self.in1(self.conv1(x)))
        y: Tensor = self.in2(self.conv2(out)) + x
        return y


class TransformerNet(nn.Module):
    """Down twice, residual blocks, up twice."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        shapes = [(3, 1, 9, 1, 1), (1, 2, 3, 2, 1), (2, 4, 3, 2, 1)]
        self.down = nn.ModuleList(
            ReflectedConvolution(3 if a == 3 else a * width, b * width, size, stride, enlarge)
            for a, b, size, stride, enlarge in shapes
        )
        self.down_norms = nn.ModuleList(
            nn.InstanceNorm2d(b * width, affine=True) for _, b, *_ in shapes
        )
        self.blocks = nn.Sequential(*(ResidualBlock(4 * width) for _ in range(2)))
        self.up1 = ReflectedConvolution(4 * width, 2 * width, 3, enlarge=2)
        self.in4 = nn.InstanceNorm2d(2 * width, affine=True)
        self.up2 = ReflectedConvolution(2 * width, width, 3, enlarge=2)
        self.in5 = nn.InstanceNorm2d(width, affine=True, track_running_stats=True)
        self.out = ReflectedConvolution(width, 3, 9)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the image in another style."""
        for convolution, norm in zip(self.down, self.down_norms, strict=True):
            x = torch.relu(norm(convolution(x)))
        x = self.blocks(x)
        x = self.in4(self.up1(x)).relu()
        x = self.in5(self.up2(x)).relu_()
        image: Tensor = self.out(x)
        return image


ENTRIES = [Entry("style_transfer", "plain", TransformerNet, images(3, 32, 32))]
