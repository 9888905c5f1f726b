"""The ending that every method shares: act(y + residual)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from normkit import kernels
from normkit.functional.names import unknown_name
from normkit.functional.statistics import in_precision_of
from normkit.kernels.activation import fused

Beside = TypeVar("Beside")

Activation = str | Callable[[Tensor], Tensor] | None
"""No activation, the name of one, or a module or function from tensor to tensor."""

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType(
    {
        "relu": F.relu,
        "leaky_relu": F.leaky_relu,
        "relu6": F.relu6,
        "elu": F.elu,
        "selu": F.selu,
        "celu": F.celu,
        "silu": F.silu,
        "mish": F.mish,
        "gelu": F.gelu,
        "hardswish": F.hardswish,
        "hardsigmoid": F.hardsigmoid,
        "hardtanh": F.hardtanh,
        "softplus": F.softplus,
        "softsign": F.softsign,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
    }
)
"""The activations that have a name, with the defaults of `torch.nn.functional`."""


def resolve_activation(act: Activation) -> Callable[[Tensor], Tensor] | None:
    """The function that an `act` argument stands for.

    Raises:
        ValueError: the name is not in `ACTIVATIONS`.
        TypeError: `act` is not None, a name or a callable.

    >>> resolve_activation("tanh")(torch.zeros(1))
    tensor([0.])
    """
    if act is None:
        return None
    if isinstance(act, str):
        if act not in ACTIVATIONS:
            raise ValueError(unknown_name("activation", act, ACTIVATIONS))
        return ACTIVATIONS[act]
    if isinstance(act, type) or not callable(act):
        # A class is callable too, but calling it with a tensor makes a module, not an output.
        raise TypeError(
            f"act must be None, a name or a callable that takes a tensor; got {act!r}. "
            "For one with options pass the module itself: act=torch.nn.LeakyReLU(0.2)."
        )
    return act


def finish(y: Tensor, act: Activation = None, residual: Tensor | None = None) -> Tensor:
    """Adds the residual, then applies the activation: `act(y + residual)`.

    Args:
        y: a normalised tensor, of any shape.
        act: None, a name in `ACTIVATIONS`, or a module or function.
        residual: a tensor of the same shape as `y`, or None; the sum has the dtype of `y`.

    Raises:
        ValueError: the residual has another shape, or the name of the activation is unknown.

    >>> finish(torch.tensor([-2.0, 1.0]), act="relu", residual=torch.tensor([1.0, 1.0]))
    tensor([0., 2.])
    """
    if residual is not None:
        if residual.shape != y.shape:
            raise ValueError(
                "the residual must have the shape of the normalised tensor, "
                f"{tuple(y.shape)}; got {tuple(residual.shape)}. A block that changes the number "
                "of channels or the size of the map needs a projection on its shortcut, "
                "such as a 1×1 convolution with the same stride."
            )
        y = in_precision_of(y, y + residual)
    function = resolve_activation(act)
    return y if function is None else function(y)


def ended(
    formula: Callable[..., tuple[Tensor, Beside]],
    act: Activation,
    residual: Tensor | None,
    **sources: Tensor | None,
) -> tuple[Tensor, Beside]:
    """`finish` on what a formula returns; inside `normkit.lean` only what goes in is kept.

    Args:
        formula: returns the normalised tensor, and something beside it that asks for no gradient.
        act: as in `finish`.
        residual: as in `finish`.
        sources: all the tensors that the formula depends on, by name.
    """
    if not kernels.recomputes(residual, *sources.values()):
        y, beside = formula(**sources)
        return finish(y, act, residual), beside
    # What is neither named nor known may have parameters of its own, which ask for a gradient.
    inside, after = (act, None) if isinstance(act, str) or fused(act) else (None, act)

    def whole(residual: Tensor | None, **sources: Tensor | None) -> tuple[Tensor, Beside]:
        y, beside = formula(**sources)
        return finish(y, inside, residual), beside

    y, beside = kernels.recomputed(whole, residual=residual, **sources)
    return finish(y, after), beside
