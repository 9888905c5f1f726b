"""The activations that a kernel applies in its own pass over the data."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.modules.module import _has_any_global_hook

Act = str | Callable[[Tensor], Tensor] | None


class Fused(NamedTuple):
    """An activation as the operators take it.

    Attributes:
        kind: its number in csrc/loops/activation.h.
        slope: of a leaky ReLU, for negative values.
    """

    kind: int
    slope: float = 0.0

    @property
    def has_two_slopes(self) -> bool:
        """Whether one bit for each value tells the derivative."""
        return self.kind in (RELU, LEAKY_RELU, RELU6)


NONE, RELU, LEAKY_RELU, RELU6, SILU, GELU, HARDSWISH = range(7)

_NAMES: dict[str, Fused] = {
    "relu": Fused(RELU),
    "leaky_relu": Fused(LEAKY_RELU, 0.01),
    "relu6": Fused(RELU6),
    "silu": Fused(SILU),
    "gelu": Fused(GELU),
    "hardswish": Fused(HARDSWISH),
}

_FUNCTIONS: dict[object, Fused] = {
    F.relu: _NAMES["relu"],
    torch.relu: _NAMES["relu"],
    F.leaky_relu: _NAMES["leaky_relu"],
    F.relu6: _NAMES["relu6"],
    F.silu: _NAMES["silu"],
    F.gelu: _NAMES["gelu"],
    F.hardswish: _NAMES["hardswish"],
}

_MODULES: dict[type, Callable[..., Fused | None]] = {
    torch.nn.Identity: lambda module: Fused(NONE),
    torch.nn.ReLU: lambda module: _NAMES["relu"],
    torch.nn.LeakyReLU: lambda module: (
        Fused(LEAKY_RELU, module.negative_slope) if module.negative_slope >= 0 else None
    ),
    torch.nn.ReLU6: lambda module: _NAMES["relu6"],
    torch.nn.SiLU: lambda module: _NAMES["silu"],
    torch.nn.GELU: lambda module: _NAMES["gelu"] if module.approximate == "none" else None,
    torch.nn.Hardswish: lambda module: _NAMES["hardswish"],
}

_PLAIN = Fused(NONE)


def fused(act: Act) -> Fused | None:
    """An `act` argument as the operators take it; None where they do not have it.

    >>> fused("relu"), fused(torch.nn.LeakyReLU(0.2)), fused("tanh")
    (Fused(kind=1, slope=0.0), Fused(kind=2, slope=0.2), None)
    """
    if act is None:
        return _PLAIN
    if isinstance(act, str):
        return _NAMES.get(act)
    if isinstance(act, torch.nn.Module):
        of_module = _MODULES.get(type(act))
        return None if of_module is None or _is_watched(act) else of_module(act)
    return _FUNCTIONS.get(act)


def _is_watched(module: torch.nn.Module) -> bool:
    """Whether a hook wants to see the module's own call."""
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or _has_any_global_hook()  # type: ignore[no-untyped-call]
    )


def function_of(kind: int, slope: float) -> Callable[[Tensor], Tensor] | None:
    """The activation in plain torch.

    >>> function_of(LEAKY_RELU, 0.5)(torch.tensor([-1.0, 1.0]))
    tensor([-0.5000,  1.0000])
    """
    if kind == NONE:
        return None
    if kind == LEAKY_RELU:
        return lambda z: F.leaky_relu(z, slope)
    functions: dict[int, Callable[[Tensor], Tensor]] = {
        RELU: F.relu,
        RELU6: F.relu6,
        SILU: F.silu,
        GELU: F.gelu,
        HARDSWISH: F.hardswish,
    }
    return functions[kind]
