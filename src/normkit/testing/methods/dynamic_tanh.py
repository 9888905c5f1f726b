"""Dynamic tanh, from Zhu, Chen, He, LeCun and Liu, 2025, section 4 and algorithm 1."""

from __future__ import annotations

import torch
from torch import Tensor

from normkit import nn
from normkit.testing.invariants import positions_permuted, samples_alone
from normkit.testing.problem import MAPS, NOTHING_TO_MASK, Problem, State, close, per_channel

ALPHA = 0.5


def reference(x: Tensor, state: State, training: bool) -> Tensor:
    """y = γ · tanh(α · x) + β, with one α for all."""
    squashed = torch.tanh(state["alpha"].sum() * x)
    return per_channel(state["weight"], x) * squashed + per_channel(state["bias"], x)


def _slope(layer: torch.nn.Module, x: Tensor) -> None:
    """Its inverse is linear, with the slope that α starts at."""
    y = layer(x / 8)
    close(torch.atanh(y), ALPHA * x / 8, 1e-6, 1e-9)


def _bounded(layer: torch.nn.Module, x: Tensor) -> None:
    """The largest values come out as ±1."""
    close(layer(x * 1e6), x.sign(), 1e-9, 1e-9)


def _odd(layer: torch.nn.Module, x: Tensor) -> None:
    close(layer(-x), -layer(x), 1e-9, 1e-9)


def _values_alone(layer: torch.nn.Module, x: Tensor) -> None:
    """A value's output depends on no other value."""
    y = layer(x)
    other = torch.randn_like(x)
    other[0, 0] = x[0, 0]
    close(layer(other)[0, 0], y[0, 0], 1e-9, 1e-9, "others replaced")


PROBLEMS = [
    Problem(
        f"dynamic_tanh-{name}",
        nn.DynamicTanh,
        reference,
        shape=(5, 6, *positions),
        not_applicable=NOTHING_TO_MASK,
        invariants={
            "slope": _slope,
            "bounded": _bounded,
            "odd": _odd,
            "values alone": _values_alone,
            "samples alone": samples_alone,
            "positions permuted": positions_permuted,
        },
    )
    for name, positions in MAPS.items()
]
