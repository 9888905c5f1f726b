"""Ghost batch normalization, from Hoffer, Hubara and Soudry, 2017, algorithm 1.

The running statistics are not the algorithm's: they move once a batch, towards the average.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from normkit import nn
from normkit.testing.invariants import (
    NEAR,
    ignores_scale,
    ignores_shift,
    positions_permuted,
)
from normkit.testing.problem import MAPS, Problem, State, close, per_channel

MOMENTUM, EPS = 0.1, 1e-5
SIZE = 2
AXES = (0, 2, 3, 4)


def ghost_batches(x: Tensor) -> list[Tensor]:
    """The parts of a batch, none smaller than SIZE unless it is the whole; the last are larger."""
    parts = max(len(x) // SIZE, 1)
    return [part.flip(0) for part in reversed(torch.tensor_split(x.flip(0), parts))]


def reference(x: Tensor, state: State, training: bool) -> Tensor:
    """y = γ · (x − μ) / √(σ² + ε) + β, per ghost batch."""
    ys = []
    over = tuple(axis for axis in AXES if axis < x.ndim)
    for part in ghost_batches(x):
        if training:
            mean = part.mean(over, keepdim=True)
            variance = ((part - mean) ** 2).mean(over, keepdim=True)
        else:
            mean = per_channel(state["running_mean"], x)
            variance = per_channel(state["running_var"], x)
        ys.append((part - mean) / (variance + EPS) ** 0.5)
    return per_channel(state["weight"], x) * torch.cat(ys) + per_channel(state["bias"], x)


def statistics(x: Tensor, state: State) -> Mapping[str, Tensor]:
    """Moving averages of the ghost batches' mean and unbiased variance, weighed by samples."""
    over = tuple(axis for axis in AXES if axis < x.ndim)
    weighed = [(len(part) / len(x), part) for part in ghost_batches(x)]
    mean = torch.stack([share * part.mean(over) for share, part in weighed]).sum(0)
    variance = torch.stack([share * part.var(over, correction=1) for share, part in weighed]).sum(0)
    return {
        "running_mean": (1 - MOMENTUM) * state["running_mean"] + MOMENTUM * mean,
        "running_var": (1 - MOMENTUM) * state["running_var"] + MOMENTUM * variance,
        "num_batches_tracked": state["num_batches_tracked"] + 1,
    }


def refuses(shape: tuple[int, ...], training: bool) -> bool:
    """One value per channel and ghost batch, in training."""
    samples, _, *positions = shape
    return training and samples == 1 and all(size == 1 for size in positions)


def _ghost_batches_standardised(layer: torch.nn.Module, x: Tensor) -> None:
    over = tuple(axis for axis in AXES if axis < x.ndim)
    for part, y in zip(ghost_batches(x), ghost_batches(layer(x)), strict=True):
        variance = part.var(over, correction=0)
        close(y.mean(over), torch.zeros_like(variance), 0, NEAR, "mean")
        close(y.var(over, correction=0), variance / (variance + EPS), NEAR, NEAR, "variance")


def _ghost_batches_alone(layer: torch.nn.Module, x: Tensor) -> None:
    for part, y in zip(ghost_batches(x), ghost_batches(layer(x)), strict=True):
        close(layer(part), y, NEAR, NEAR, "one ghost batch alone")


def _masked(layer: torch.nn.Module, x: Tensor) -> None:
    """Of what is left out no value reaches what is kept: a ghost batch is as if without it."""
    mask = torch.rand(x.shape[0], 1, *x.shape[2:]) < 0.7
    y = layer(torch.where(mask, x, float("nan")), mask=mask)
    for part, kept, out in zip(*map(ghost_batches, (x, mask, y)), strict=True):
        for channel in range(x.shape[1]):
            values = part[:, channel][kept[:, 0]]
            mean = values.mean()
            right = (values - mean) / (((values - mean) ** 2).mean() + EPS) ** 0.5
            close(out[:, channel][kept[:, 0]], right, NEAR, NEAR, "masked")


PROBLEMS = [
    Problem(
        f"ghost_batch-{name}",
        layer,
        reference,
        shape=(5, 6, *MAPS[name]),
        arguments=lambda channels: {"num_features": channels, "ghost_batch_size": SIZE},
        statistics=statistics,
        refuses=refuses,
        invariants={
            "ghost batches standardised": _ghost_batches_standardised,
            "ghost batches alone": _ghost_batches_alone,
            "what a mask leaves out": _masked,
            "ignores a shift per channel": ignores_shift("C"),
            "ignores a scale": ignores_scale,
            "positions permuted": positions_permuted,
        },
        not_applicable={
            "masked": "cuts the batch by the places of the samples, which a mask does not move"
        },
    )
    for name, layer in {
        "features": nn.GhostBatchNorm1d,
        "1d": nn.GhostBatchNorm1d,
        "2d": nn.GhostBatchNorm2d,
        "3d": nn.GhostBatchNorm3d,
    }.items()
]
