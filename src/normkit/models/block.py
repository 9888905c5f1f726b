"""The block that every model is made of: a linear map, a norm and an activation."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.modules.instancenorm import _InstanceNorm

from normkit.functional import Activation
from normkit.functional.names import unknown_name
from normkit.nn import Identity
from normkit.nn.catalogue import catalogue, make

Norm = str | Callable[..., torch.nn.Module]
"""A key of the catalogue, or a callable `norm(channels, dims=2)` that returns a module."""

PLACEMENTS = ("before", "after", "before_and_linear")
"""Where the norm goes: before the activation, after it, or before it and, in models that have
hidden linear layers behind convolutions, before the activation of those too."""


class Block(torch.nn.Module):
    """A convolution or linear layer, its norm and its activation.

    act(norm(linear(x)) + residual) where the norm is placed before the activation, and
    norm(act(linear(x) + residual)) where it is placed after it. A method on the weights is put on
    the convolution or linear layer, wherever it is placed, and the norm is the identity. A norm
    with an activation of its own, by its name, has the place of both before the activation:
    norm(linear(x)) + residual.

    Args:
        linear: the convolution or linear layer.
        norm: a key of the catalogue, or a callable `norm(channels, dims=2)`.
        placement: one of `PLACEMENTS`.
        activation: the activation: None, a name, or a module or function.

    Attributes:
        linear: as given.
        norm: the norm layer.
        act: the activation, as a module.

    Raises:
        ValueError: an unknown norm, placement or activation; a norm that needs positions on
            features without.
        TypeError: `norm` is neither a name nor a callable that returns a module.

    >>> block = Block(torch.nn.Conv2d(3, 8, 3), norm="group", placement="before")
    >>> block(torch.randn(2, 3, 8, 8)).shape
    torch.Size([2, 8, 6, 6])
    """

    def __init__(
        self,
        linear: torch.nn.Conv2d | torch.nn.Linear,
        *,
        norm: Norm,
        placement: str = "before",
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        check_placement(placement)
        self.linear = linear
        method = catalogue().get(norm) if isinstance(norm, str) else None
        self.norm: torch.nn.Module
        if method is not None and method.on == "weights":
            method.layers[1 if isinstance(linear, torch.nn.Linear) else 2](linear)
            self.norm = Identity()
        elif isinstance(linear, torch.nn.Linear):
            self.norm = make_norm(norm, linear.out_features, dims=1)
            needs_positions = isinstance(self.norm, _InstanceNorm)
            if needs_positions or (method is not None and method.needs_positions):
                title = "instance normalization" if method is None else method.title
                raise ValueError(
                    f"{title} needs positions; a linear layer gives (N, C), one value per channel "
                    "and sample. Use batch, layer, channel_layer, group or rms with linear "
                    "layers, or a model of convolutions."
                )
        else:
            self.norm = make_norm(norm, linear.out_channels, dims=2)
        activates = method is not None and method.activates and placement != "after"
        self.act = Identity(act=None if activates else activation)
        self.placement = placement

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """Returns the output of the block; the residual is added before the activation."""
        x = self.linear(x)
        if self.placement == "after":
            y: Tensor = self.norm(self.act(x, residual))
        else:
            y = self.act(self.norm(x), residual)
        return y

    def extra_repr(self) -> str:
        return f"placement={self.placement!r}"


def make_norm(norm: Norm, channels: int, dims: int) -> torch.nn.Module:
    """The layer that a `norm` argument stands for."""
    if isinstance(norm, str):
        return make(norm, channels, dims=dims)
    if not callable(norm):
        raise TypeError(
            f"norm must be a name of the catalogue or a callable norm(channels, dims=2); "
            f"got {norm!r}."
        )
    layer = norm(channels, dims=dims)
    if not isinstance(layer, torch.nn.Module):
        raise TypeError(
            f"the callable given as norm must return a torch.nn.Module; got {layer!r} "
            f"from norm({channels}, dims={dims})."
        )
    return layer


def check_placement(placement: str) -> None:
    """Raises unless the placement is one of `PLACEMENTS`."""
    if placement not in PLACEMENTS:
        raise ValueError(unknown_name("placement", placement, PLACEMENTS))
