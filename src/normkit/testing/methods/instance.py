"""Instance normalization, from Ulyanov, Vedaldi and Lempitsky, 2016, equation 4."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from normkit import nn
from normkit.testing.invariants import (
    ignores_scale,
    ignores_shift,
    positions_permuted,
    samples_alone,
    standardised,
)
from normkit.testing.problem import MAPS, Problem, State, per_channel

MOMENTUM, EPS = 0.1, 1e-5
AXES = (2, 3, 4)


def reference(x: Tensor, state: State, training: bool) -> Tensor:
    """y = γ · (x − μ) / √(σ² + ε) + β, over the positions of a channel."""
    if training or "running_mean" not in state:
        over = tuple(axis for axis in AXES if axis < x.ndim)
        mean = x.mean(over, keepdim=True)
        variance = ((x - mean) ** 2).mean(over, keepdim=True)
    else:
        mean = per_channel(state["running_mean"], x)
        variance = per_channel(state["running_var"], x)
    y = (x - mean) / (variance + EPS) ** 0.5
    return per_channel(state["weight"], x) * y + per_channel(state["bias"], x)


def statistics(x: Tensor, state: State) -> Mapping[str, Tensor]:
    """Moving averages of the mean over the samples, as PyTorch has them."""
    over = tuple(axis for axis in AXES if axis < x.ndim)
    mean, variance = x.mean(over).mean(0), x.var(over, correction=1).mean(0)
    return {
        "running_mean": (1 - MOMENTUM) * state["running_mean"] + MOMENTUM * mean,
        "running_var": (1 - MOMENTUM) * state["running_var"] + MOMENTUM * variance,
        "num_batches_tracked": state["num_batches_tracked"] + 1,
    }


LAYERS: Mapping[str, type[torch.nn.Module]] = {
    "1d": nn.InstanceNorm1d,
    "2d": nn.InstanceNorm2d,
    "3d": nn.InstanceNorm3d,
}


def problem(name: str, tracks: bool) -> Problem:
    """The layer of some number of axes, with running statistics or without."""

    def refuses(shape: tuple[int, ...], training: bool) -> bool:
        return (training or not tracks) and all(size == 1 for size in shape[2:])

    return Problem(
        f"instance-{name}{'-tracking' * tracks}",
        LAYERS[name],
        reference,
        shape=(5, 6, *MAPS[name]),
        arguments=lambda channels: {
            "num_features": channels,
            "affine": True,
            "track_running_stats": tracks,
        },
        statistics=statistics if tracks else None,
        refuses=refuses,
        invariants={
            "standardised": standardised(AXES),
            "ignores a shift per channel and sample": ignores_shift("NC"),
            "ignores a scale": ignores_scale,
            "samples alone": samples_alone,
            "positions permuted": positions_permuted,
        },
        inductor=name == "2d",
    )


PROBLEMS = [problem(name, tracks) for tracks in (False, True) for name in LAYERS]
