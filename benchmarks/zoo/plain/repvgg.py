"""RepVGG: a 3×3 and a 1×1 convolution and the input itself, each with its norm, added up.

Ding, Zhang, Ma, Han, Ding and Sun, "RepVGG", 2021, https://arxiv.org/abs/2101.03697
"""

from __future__ import annotations

from torch import Tensor, nn

from zoo.entry import Entry, images


def normed(channels: int, out: int, size: int, stride: int, groups: int) -> nn.Sequential:
    """A convolution and its norm."""
    parts = nn.Sequential()
    convolution = nn.Conv2d(channels, out, size, stride, size // 2, groups=groups, bias=False)
    parts.add_module("conv", convolution)
    parts.add_module("bn", nn.BatchNorm2d(out))
    return parts


class RepVGGBlock(nn.Module):
    """Up to three branches, one of which is a norm and nothing else."""

    def __init__(self, channels: int, out: int, stride: int, groups: int = 1) -> None:
        super().__init__()
        self.rbr_dense = normed(channels, out, 3, stride, groups)
        self.rbr_1x1 = normed(channels, out, 1, stride, groups)
        self.rbr_identity = nn.BatchNorm2d(out) if channels == out and stride == 1 else None
        self.nonlinearity = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Returns relu of the branches' sum."""
        identity = 0 if self.rbr_identity is None else self.rbr_identity(x)
        y: Tensor = self.nonlinearity(self.rbr_dense(x) + self.rbr_1x1(x) + identity)
        return y


class RepVGG(nn.Module):
    """Four stages."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        shapes = [(3, 8, 2), (8, 8, 2), (8, 8, 1), (8, 16, 2), (16, 16, 1), (16, 16, 1)]
        blocks = (
            RepVGGBlock(*shape, groups=1 + index % 2) for index, shape in enumerate(shapes, 2)
        )
        self.stages = nn.Sequential(*blocks)
        self.gap = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(16, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits."""
        x = self.gap(self.stages(x))
        logits: Tensor = self.linear(x.view(x.size(0), -1))
        return logits


ENTRIES = [Entry("repvgg", "plain", RepVGG, images(3, 64, 64))]
