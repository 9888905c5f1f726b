"""A small residual network."""

from __future__ import annotations

import torch
from torch import Tensor

from normkit.functional import Activation
from normkit.models.block import Block, Norm
from normkit.models.branch import (
    ScalarBias,
    ScalarMultiplier,
    check_branch,
    fixup_,
)
from normkit.models.classifier import Classifier, check_arguments, halved


class ResidualUnit(torch.nn.Module):
    """Two blocks around a shortcut; the shortcut joins before the activation of the second.

    With `skipinit` and `fixup` the norms of the blocks are scalars, and with `fixup` there is one
    in front of each convolution too; see `normkit.models.branch`.

    Attributes:
        enter: in front of the convolutions that take the unit's input.
        between: in front of the second block.
        first: the first block, which changes the size and the number of channels.
        second: the second block.
        shortcut: the identity, or a 1×1 convolution and its norm where the shape changes.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int,
        *,
        norm: Norm,
        placement: str,
        activation: Activation,
        branch: str = "plain",
    ) -> None:
        super().__init__()
        bias = branch != "fixup"
        first = torch.nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=bias)
        second = torch.nn.Conv2d(channels, channels, 3, padding=1, bias=bias)
        self.first = Block(first, norm=norm, placement=placement, activation=activation)
        self.second = Block(second, norm=norm, placement=placement, activation=activation)
        self.shortcut: torch.nn.Module = torch.nn.Identity()
        if stride != 1 or in_channels != channels:
            projection = torch.nn.Conv2d(in_channels, channels, 1, stride=stride, bias=bias)
            self.shortcut = Block(projection, norm=norm, placement=placement, activation=None)
        self.enter: torch.nn.Module = torch.nn.Identity()
        self.between: torch.nn.Module = torch.nn.Identity()
        if branch == "skipinit":
            self.second.norm = ScalarMultiplier(0.0)
        elif branch == "fixup":
            self.enter, self.between, self.first.norm = ScalarBias(), ScalarBias(), ScalarBias()
            self.second.norm = torch.nn.Sequential(ScalarMultiplier(1.0), ScalarBias())

    def forward(self, x: Tensor) -> Tensor:
        """Images or maps `(N, C, H, W)` → maps."""
        entered = self.enter(x)
        # The identity takes the input as it is, a projection is a convolution like the others.
        past = self.shortcut(entered if isinstance(self.shortcut, Block) else x)
        y: Tensor = self.second(self.between(self.first(entered)), past)
        return y


class ResidualNetwork(Classifier):
    """A first convolution, residual units in stages, the mean over the map, a linear classifier.

    The first convolution has stride 2 on images larger than 16. There is a stage for each halving
    that brings the longer side down to 4, three at most; each is twice as wide as the one before.

    Args:
        num_classes: the number of classes.
        in_channels: the channels of an image.
        image_size: its height and width.
        norm: a key of the catalogue, or a callable `norm(channels, dims=2)`.
        placement: one of `PLACEMENTS`.
        init: one of `INITIALISATIONS`.
        init_gain: multiplies the initial weights.
        activation: the activation: None, a name, or a module or function.
        depth: the number of 3×3 convolutions in the units, two per unit; the first convolution
            and those on shortcuts come on top.
        width: the channels of the first stage.
        dropout: the share of features set to zero before the classifier.
        branch: one of `BRANCHES`: how the residual branches do without a norm on the activations.

    Raises:
        ValueError: an unknown norm, placement, init, activation or branch; a number outside its
            range; an odd depth; a branch that does without a norm, with a norm.

    >>> model = ResidualNetwork(num_classes=10, in_channels=3, image_size=(32, 32), norm="batch")
    >>> model(torch.randn(2, 3, 32, 32)).shape
    torch.Size([2, 10])

    Paper: He et al., "Deep Residual Learning for Image Recognition", 2015,
    https://arxiv.org/abs/1512.03385
    """

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int,
        image_size: tuple[int, int],
        norm: Norm = "none",
        placement: str = "before",
        init: str = "default",
        init_gain: float = 1.0,
        activation: Activation = "relu",
        depth: int = 8,
        width: int = 16,
        dropout: float = 0.0,
        branch: str = "plain",
    ) -> None:
        super().__init__()
        check_branch(branch, norm, placement)
        check_arguments(
            num_classes=num_classes,
            in_channels=in_channels,
            image_size=image_size,
            depth=depth,
            width=width,
            dropout=dropout,
        )
        if depth % 2:
            raise ValueError(
                f"depth counts the convolutions of residual units, two in each; got {depth}. "
                f"Use {f'{depth - 1} or ' if depth > 1 else ''}{depth + 1}."
            )
        side = max(image_size)
        stride = 2 if side > 16 else 1
        self.stem = Block(
            torch.nn.Conv2d(
                in_channels, width, 3, stride=stride, padding=1, bias=branch != "fixup"
            ),
            norm=norm,
            placement=placement,
            activation=activation,
        )
        units: list[ResidualUnit] = []
        channels = width
        stages = _stages(halved(side) if stride == 2 else side)
        for index in range(depth // 2):
            # The units are shared out evenly among the stages.
            stage = index * stages // (depth // 2)
            wide = width * 2**stage
            units.append(
                ResidualUnit(
                    channels,
                    wide,
                    stride=1 if wide == channels else 2,
                    norm=norm,
                    placement=placement,
                    activation=activation,
                    branch=branch,
                )
            )
            channels = wide
        self.units = torch.nn.ModuleList(units)
        self._make_head(channels, num_classes, dropout, init, init_gain)
        self.enter: torch.nn.Module = torch.nn.Identity()
        self.leave: torch.nn.Module = torch.nn.Identity()
        if branch == "fixup":
            self.enter, self.stem.norm, self.leave = ScalarBias(), ScalarBias(), ScalarBias()
            pairs = [(unit.first.linear, unit.second.linear) for unit in units]
            fixup_(self, pairs, init, init_gain)

    def features(self, x: Tensor) -> Tensor:
        """Images `(N, C, H, W)` → features `(N, F)`."""
        x = self.stem(self.enter(x))
        for unit in self.units:
            x = unit(x)
        features: Tensor = self.leave(x.mean((2, 3)))
        return features


def _stages(side: int) -> int:
    stages = 1
    while side > 4 and stages < 3:
        side = halved(side)
        stages += 1
    return stages
