"""Batch normalization, from Ioffe and Szegedy, 2015, algorithms 1 and 2."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from normkit import nn
from normkit.testing.invariants import (
    ignores_scale,
    ignores_shift,
    positions_permuted,
    samples_permuted,
    standardised,
)
from normkit.testing.problem import MAPS, Problem, State, per_channel

MOMENTUM, EPS = 0.1, 1e-5
AXES = (0, 2, 3, 4)


def reference(x: Tensor, state: State, training: bool) -> Tensor:
    """y = γ · (x − μ) / √(σ² + ε) + β."""
    if training:
        over = tuple(axis for axis in AXES if axis < x.ndim)
        mean = x.mean(over, keepdim=True)
        variance = ((x - mean) ** 2).mean(over, keepdim=True)
    else:
        mean = per_channel(state["running_mean"], x)
        variance = per_channel(state["running_var"], x)
    y = (x - mean) / (variance + EPS) ** 0.5
    return per_channel(state["weight"], x) * y + per_channel(state["bias"], x)


def statistics(x: Tensor, state: State) -> Mapping[str, Tensor]:
    """Moving averages of the batch's mean and unbiased variance."""
    over = tuple(axis for axis in AXES if axis < x.ndim)
    mean, variance = x.mean(over), x.var(over, correction=1)
    return {
        "running_mean": (1 - MOMENTUM) * state["running_mean"] + MOMENTUM * mean,
        "running_var": (1 - MOMENTUM) * state["running_var"] + MOMENTUM * variance,
        "num_batches_tracked": state["num_batches_tracked"] + 1,
    }


def refuses(shape: tuple[int, ...], training: bool) -> bool:
    """One value per channel, in training."""
    samples, _, *positions = shape
    return training and samples == 1 and all(size == 1 for size in positions)


PROBLEMS = [
    Problem(
        f"batch-{name}",
        layer,
        reference,
        shape=(5, 6, *MAPS[name]),
        statistics=statistics,
        refuses=refuses,
        invariants={
            "standardised": standardised(AXES),
            "ignores a shift per channel": ignores_shift("C"),
            "ignores a scale": ignores_scale,
            "samples permuted": samples_permuted,
            "positions permuted": positions_permuted,
        },
        inductor=name == "2d",
    )
    for name, layer in {
        "features": nn.BatchNorm1d,
        "1d": nn.BatchNorm1d,
        "2d": nn.BatchNorm2d,
        "3d": nn.BatchNorm3d,
    }.items()
]
