"""EvoNorm-B0, from Liu, Brock, Simonyan and Le, 2020, table 2."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from normkit import nn
from normkit.testing.invariants import positions_permuted, samples_permuted
from normkit.testing.methods.batch import refuses
from normkit.testing.problem import MAPS, Problem, State, close, per_channel

MOMENTUM, EPS = 0.1, 1e-5


def reference(x: Tensor, state: State, training: bool) -> Tensor:
    """y = x / max(√(s²_{b,w,h}(x) + ε), v · x + √(s²_{w,h}(x) + ε)) · γ + β."""
    flat = x.reshape(*x.shape[:2], -1)
    if training:
        mean = flat.mean((0, 2), keepdim=True)
        batch = ((flat - mean) ** 2).mean((0, 2), keepdim=True)
    else:
        batch = state["running_var"][:, None]
    own = ((flat - flat.mean(2, keepdim=True)) ** 2).mean(2, keepdim=True)
    left = ((batch + EPS) ** 0.5).expand_as(flat)
    right = state["v"][:, None] * flat + (own + EPS) ** 0.5
    y = (flat / torch.where(left > right, left, right)).reshape(x.shape)
    return y * per_channel(state["weight"], x) + per_channel(state["bias"], x)


def statistics(x: Tensor, state: State) -> Mapping[str, Tensor]:
    """A moving average of the batch's variance, the unbiased one as in batch normalization."""
    variance = x.transpose(0, 1).flatten(1).var(1, correction=1)
    return {
        "running_var": (1 - MOMENTUM) * state["running_var"] + MOMENTUM * variance,
        "num_batches_tracked": state["num_batches_tracked"] + 1,
    }


def _bounded_above(layer: torch.nn.Module, x: Tensor) -> None:
    """With v = 1 the divisor of a positive value is larger than the value."""
    assert (layer(x) < 1).all()
    close(layer(x).sign(), x.sign())


def _shallow_where_values_are_negative(layer: torch.nn.Module, x: Tensor) -> None:
    """Far below zero the divisor is the batch's deviation: x is divided, not centred."""
    y = layer(x)
    deviation = (x.transpose(0, 1).flatten(1).var(1, correction=0) + EPS).sqrt()
    low = x < -10
    close(y[low], (x / per_channel(deviation, x))[low], 1e-9, 1e-9)


PROBLEMS = [
    Problem(
        f"evonorm_b0-{name}",
        nn.EvoNormB0,
        reference,
        shape=(5, 6, *positions),
        statistics=statistics,
        refuses=refuses,
        invariants={
            "bounded above": _bounded_above,
            "divides negative values by the batch's deviation": _shallow_where_values_are_negative,
            "samples permuted": samples_permuted,
            "positions permuted": positions_permuted,
        },
    )
    for name, positions in MAPS.items()
]
