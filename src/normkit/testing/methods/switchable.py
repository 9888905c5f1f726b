"""Switchable normalization, from Luo, Ren, Peng, Zhang and Li, 2018, equations 3 to 5."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from normkit import nn
from normkit.testing.invariants import ignores_scale, ignores_shift, positions_permuted
from normkit.testing.methods.batch import statistics as of_batch
from normkit.testing.problem import MAPS, Problem, State, close, per_channel

EPS = 1e-5


def reference(x: Tensor, state: State, training: bool) -> Tensor:
    """y = γ · (x − Σ w μ) / √(Σ w' σ² + ε) + β, over instance, layer and batch."""
    positions = tuple(range(2, x.ndim))
    means, variances = [], []
    for over in (positions, (1, *positions), (0, *positions)):
        mean = x.mean(over, keepdim=True)
        means.append(mean)
        variances.append(((x - mean) ** 2).mean(over, keepdim=True))
    if not training:
        means[2] = per_channel(state["running_mean"], x)
        variances[2] = per_channel(state["running_var"], x)
    w, v = (
        torch.exp(state[name]) / torch.exp(state[name]).sum()
        for name in ("mean_weight", "var_weight")
    )
    mean = w[0] * means[0] + w[1] * means[1] + w[2] * means[2]
    variance = v[0] * variances[0] + v[1] * variances[1] + v[2] * variances[2]
    y = (x - mean) / (variance + EPS) ** 0.5
    return per_channel(state["weight"], x) * y + per_channel(state["bias"], x)


def statistics(x: Tensor, state: State) -> Mapping[str, Tensor]:
    """Moving averages of the batch's, as in batch normalization."""
    return of_batch(x, state)


def _each_of_the_three(layer: torch.nn.Module, x: Tensor) -> None:
    """With the whole weight on one of them it is that method."""
    dims, channels = x.ndim - 2, x.shape[1]
    three = (
        getattr(nn, f"InstanceNorm{dims}d")(channels, dtype=x.dtype),
        nn.GroupNorm(1, channels, dtype=x.dtype),
        getattr(nn, f"BatchNorm{dims}d")(channels, dtype=x.dtype),
    )
    for place, method in enumerate(three):
        alone = torch.full((3,), -1e3, dtype=x.dtype)
        alone[place] = 0
        state = {"mean_weight": alone, "var_weight": alone}
        y = torch.func.functional_call(layer, state, (x,))
        close(y, method(x), 1e-9, 1e-9, type(method).__name__)


PROBLEMS = [
    Problem(
        f"switchable-{name}",
        layer,
        reference,
        shape=(5, 6, *MAPS[name]),
        statistics=statistics,
        refuses=lambda shape, training: all(size == 1 for size in shape[2:]),
        invariants={
            "each of the three": _each_of_the_three,
            "ignores a shift": ignores_shift(""),
            "ignores a scale": ignores_scale,
            "positions permuted": positions_permuted,
        },
    )
    for name, layer in {
        "1d": nn.SwitchableNorm1d,
        "2d": nn.SwitchableNorm2d,
        "3d": nn.SwitchableNorm3d,
    }.items()
]
