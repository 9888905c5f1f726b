"""Two residual networks without normalization: a plain one, and NFNet's kind.

Zhang, Dauphin and Ma, "Fixup Initialization", 2019, https://arxiv.org/abs/1901.09321;
Brock, De, Smith and Simonyan, "High-Performance Large-Scale Image Recognition Without
Normalization", 2021, https://arxiv.org/abs/2102.06171
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.entry import Entry, images


class FixupBlock(nn.Module):
    """Two convolutions with single numbers added and multiplied where norms would be."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.bias1a, self.bias1b = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.bias2a, self.bias2b = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.scale = nn.Parameter(torch.ones(1))
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or channels != out:
            self.downsample = nn.Conv2d(channels, out, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Returns relu(F(x) + shortcut(x))."""
        identity = x if self.downsample is None else self.downsample(x + self.bias1a)
        out: Tensor = self.relu(self.conv1(x + self.bias1a) + self.bias1b)
        out = self.conv2(out + self.bias2a) * self.scale + self.bias2b
        out += identity
        activated: Tensor = self.relu(out)
        return activated


class WSConv2d(nn.Conv2d):
    """A convolution whose weights are standardised on the way, and scaled by a learnt gain."""

    def __init__(self, channels: int, out: int, size: int, stride: int = 1, groups: int = 1):
        super().__init__(channels, out, size, stride, size // 2, groups=groups)
        self.gain = nn.Parameter(torch.ones(out, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Returns the convolution with the standardised weights."""
        var, mean = torch.var_mean(self.weight, dim=[1, 2, 3], keepdim=True)
        fan_in = self.weight[0].numel()
        scale = torch.rsqrt((var * fan_in).clamp(min=1e-4)) * self.gain
        weight = (self.weight - mean) * scale
        return F.conv2d(x, weight, self.bias, self.stride, self.padding, groups=self.groups)


class NFBlock(nn.Module):
    """A pre-activation bottleneck of known variance: x is scaled by β, the branch by α and a gain.

    The gain starts at 0 in the paper, with which fresh blocks do nothing.
    """

    def __init__(self, channels: int, out: int, stride: int, alpha: float, beta: float) -> None:
        super().__init__()
        half = out // 2
        self.alpha, self.beta = alpha, beta
        self.conv1 = WSConv2d(channels, half, 1)
        self.conv2 = WSConv2d(half, half, 3, stride, groups=2)
        self.conv3 = WSConv2d(half, out, 1)
        self.gate = nn.Sequential(nn.Linear(out, 8), nn.ReLU(), nn.Linear(8, out), nn.Sigmoid())
        self.skip_gain = nn.Parameter(torch.full((), 0.5))
        self.shortcut: nn.Module | None = None
        if stride != 1 or channels != out:
            pool = nn.AvgPool2d(stride, stride) if stride > 1 else nn.Identity()
            self.shortcut = nn.Sequential(pool, WSConv2d(channels, out, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Returns shortcut(x) + α × gain × F(x × β)."""
        out = F.gelu(x) * 1.7015 * self.beta
        shortcut: Tensor = x if self.shortcut is None else self.shortcut(out)
        out = self.conv2(F.gelu(self.conv1(out)) * 1.7015)
        out = self.conv3(F.gelu(out) * 1.7015)
        out = 2 * self.gate(out.mean([2, 3]))[:, :, None, None] * out
        y: Tensor = out * self.skip_gain * self.alpha + shortcut
        return y


def network(stem: nn.Module, blocks: list[nn.Module], channels: int) -> nn.Sequential:
    """The stem, the blocks, and a head for ten classes."""
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))
    return nn.Sequential(stem, *blocks, *head)


def fixup() -> nn.Sequential:
    """Three stages of two blocks."""
    shapes = [(8, 8, 1), (8, 8, 1), (8, 16, 2), (16, 16, 1), (16, 32, 2), (32, 32, 1)]
    stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.ReLU(inplace=True))
    return network(stem, [FixupBlock(*shape) for shape in shapes], 32)


def nfnet() -> nn.Sequential:
    """Three stages of one or two blocks; the variance starts anew with each stage."""
    alpha = 0.2
    after = (1 + alpha**2) ** -0.5
    shapes = [(16, 16, 1, 1.0), (16, 32, 2, after), (32, 32, 1, after), (32, 64, 2, after)]
    blocks: list[nn.Module] = [NFBlock(a, b, s, alpha, beta) for a, b, s, beta in shapes]
    return network(WSConv2d(3, 16, 3, 2), [*blocks, nn.GELU()], 64)


ENTRIES = [
    Entry("resnet_fixup", "plain", fixup, images(3, 32, 32)),
    Entry("nfnet", "plain", nfnet, images(3, 64, 64)),
]
