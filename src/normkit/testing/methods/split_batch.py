"""Split batch normalization, from Xie et al., 2020, section 4.2.

Each split is normalised as in Ioffe and Szegedy, 2015, algorithms 1 and 2; inference is by the
main one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
AXES = (0, 2, 3, 4)
PREFIXES = ("", "aux_bn.0.")
"""Of the state of the main split and of the auxiliary one."""


def splits(x: Tensor) -> list[Tensor]:
    """The two halves of a batch; of an odd one the second is larger."""
    return [x[: len(x) // 2], x[len(x) // 2 :]]


def reference(x: Tensor, state: State, training: bool) -> Tensor:
    """y = γ · (x − μ) / √(σ² + ε) + β, per split in training."""
    over = tuple(axis for axis in AXES if axis < x.ndim)
    ys = []
    for part, prefix in zip(splits(x), PREFIXES, strict=True):
        used = prefix if training else ""
        if training:
            mean = part.mean(over, keepdim=True)
            variance = ((part - mean) ** 2).mean(over, keepdim=True)
        else:
            mean = per_channel(state["running_mean"], x)
            variance = per_channel(state["running_var"], x)
        y = (part - mean) / (variance + EPS) ** 0.5
        weight, bias = state[f"{used}weight"], state[f"{used}bias"]
        ys.append(per_channel(weight, x) * y + per_channel(bias, x))
    return torch.cat(ys)


def statistics(x: Tensor, state: State) -> Mapping[str, Tensor]:
    """Moving averages of each split's mean and unbiased variance."""
    over = tuple(axis for axis in AXES if axis < x.ndim)
    found = {}
    for part, prefix in zip(splits(x), PREFIXES, strict=True):
        moments = {"running_mean": part.mean(over), "running_var": part.var(over, correction=1)}
        for name, value in moments.items():
            found[prefix + name] = (1 - MOMENTUM) * state[prefix + name] + MOMENTUM * value
        count = f"{prefix}num_batches_tracked"
        found[count] = state[count] + 1
    return found


def refuses(shape: tuple[int, ...], training: bool) -> bool:
    """An empty split, or one value per channel and split, in training."""
    samples, _, *positions = shape
    single = all(size == 1 for size in positions)
    return training and (samples < 2 or (samples < 4 and single))


def _splits_standardised(layer: torch.nn.Module, x: Tensor) -> None:
    over = tuple(axis for axis in AXES if axis < x.ndim)
    for part, y in zip(splits(x), splits(layer(x)), strict=True):
        variance = part.var(over, correction=0)
        close(y.mean(over), torch.zeros_like(variance), 0, NEAR, "mean")
        close(y.var(over, correction=0), variance / (variance + EPS), NEAR, NEAR, "variance")


def _splits_apart(layer: torch.nn.Module, x: Tensor) -> None:
    """What one split holds does not show in the other."""
    (main, auxiliary), (y_main, y_auxiliary) = splits(x), splits(layer(x))
    other = layer(torch.cat([main, auxiliary * 3 + 1]))
    close(splits(other)[0], y_main, NEAR, NEAR, "the main split beside another")
    other = layer(torch.cat([main * 3 + 1, auxiliary]))
    close(splits(other)[1], y_auxiliary, NEAR, NEAR, "the auxiliary split beside another")


def _together(batches: Sequence[Tensor]) -> Tensor:
    """All main splits, then all auxiliary ones."""
    main, auxiliary = zip(*map(splits, batches), strict=True)
    return torch.cat([*main, *auxiliary])


PROBLEMS = [
    Problem(
        f"split_batch-{name}",
        layer,
        reference,
        shape=(5 if MAPS[name] else 6, 6, *MAPS[name]),
        statistics=statistics,
        refuses=refuses,
        invariants={
            "splits standardised": _splits_standardised,
            "splits apart": _splits_apart,
            "ignores a shift per channel": ignores_shift("C"),
            "ignores a scale": ignores_scale,
            "positions permuted": positions_permuted,
        },
        # Of features a split needs two samples.
        fewest=2 if MAPS[name] else 4,
        together=_together,
    )
    for name, layer in {
        "features": nn.SplitBatchNorm1d,
        "1d": nn.SplitBatchNorm1d,
        "2d": nn.SplitBatchNorm2d,
        "3d": nn.SplitBatchNorm3d,
    }.items()
]
