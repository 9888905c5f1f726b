"""Batch renormalization, from Ioffe, 2017, algorithm 1.

As in batch normalization the variance is averaged, unbiased, where the paper averages √(σ² + ε).
"""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import torch
from torch import Tensor

from normkit import nn
from normkit.testing.invariants import positions_permuted, samples_permuted, standardised
from normkit.testing.methods import batch
from normkit.testing.methods.batch import AXES, EPS, refuses, statistics
from normkit.testing.problem import MAPS, Invariant, Problem, State, close, per_channel

R_MAX, D_MAX = 3.0, 5.0
LAYERS = {
    "features": nn.BatchRenorm1d,
    "1d": nn.BatchRenorm1d,
    "2d": nn.BatchRenorm2d,
    "3d": nn.BatchRenorm3d,
}


def reference(
    x: Tensor, state: State, training: bool, r_max: float, d_max: float, warmup: int
) -> Tensor:
    """y = γ · ((x − μ) / σ · r + d) + β; section 4.1 for how the limits of r and d rise."""
    if not training:
        return batch.reference(x, state, training)
    seen = int(state["num_batches_tracked"])
    if seen < 8 * warmup:
        r_max = 1 + (r_max - 1) * max(seen - warmup, 0) / (7 * warmup)
    if seen < 5 * warmup:
        d_max = d_max * max(seen - warmup, 0) / (4 * warmup)
    over = tuple(axis for axis in AXES if axis < x.ndim)
    mean = x.mean(over, keepdim=True)
    std = (((x - mean) ** 2).mean(over, keepdim=True) + EPS) ** 0.5
    running_std = (per_channel(state["running_var"], x) + EPS) ** 0.5
    r = (std / running_std).clip(1 / r_max, r_max).detach()
    d = ((mean - per_channel(state["running_mean"], x)) / running_std).clip(-d_max, d_max).detach()
    y = (x - mean) / std * r + d
    return per_channel(state["weight"], x) * y + per_channel(state["bias"], x)


def _after(
    seen: int, layer: torch.nn.Module, mean: Tensor | None = None, variance: Tensor | None = None
) -> torch.nn.Module:
    """A copy that stays as it is: after some number of batches, with given running statistics."""
    still = copy.deepcopy(layer)
    vars(still)["track_running_stats"] = False
    with torch.no_grad():
        given = {"num_batches_tracked": seen, "running_mean": mean, "running_var": variance}
        for name, buffer in still.named_buffers():
            if given[name] is not None:
                buffer.copy_(torch.as_tensor(given[name]))
    return still


def _after_warmup(invariant: Invariant) -> Invariant:
    return lambda layer, x: invariant(_after(10**6, layer), x)


def _batch_norm_at_first(layer: torch.nn.Module, x: Tensor) -> None:
    """In the warm-up the running statistics do not matter."""
    channels = x.shape[1]
    mean, variance = torch.randn(channels), torch.rand(channels)
    standardised(AXES)(_after(0, layer, mean, variance), x)


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    over = tuple(axis for axis in AXES if axis < x.ndim)
    return x.mean(over), x.var(over, correction=0)


def _evaluation_within_the_limits(layer: torch.nn.Module, x: Tensor) -> None:
    """Training and evaluation give the same."""
    mean, variance = _moments(x)
    trained = _after(10**6, layer, mean + variance.sqrt(), variance * 4)
    expected = copy.deepcopy(trained).eval()(x)
    close(trained(x), expected, 1e-9, 1e-9)


def _no_further_than_the_limits(layer: torch.nn.Module, x: Tensor) -> None:
    """Far from the running statistics, the mean is d_max and the deviation r_max."""
    mean, variance = _moments(x)
    far = _after(10**6, layer, mean - 1000 * (1 + variance.sqrt()), variance * 0 + 1e-12)
    found, spread = _moments(far(x))
    close(found, torch.full_like(found, D_MAX), 1e-9, 1e-9, "mean")
    # Where the batch itself varies little, ε keeps r below its limit.
    r = ((variance + EPS) / (1e-12 + EPS)).sqrt().clamp(max=R_MAX)
    close(spread, r**2 * variance / (variance + EPS), 1e-9, 1e-9, "variance")


def problem(name: str, clipped: bool) -> Problem:
    """The layer amid its warm-up; or with limits that r and d are always at."""
    options: dict[str, Any] = {"r_max": R_MAX, "d_max": D_MAX, "warmup": 1}
    if clipped:
        options = {"r_max": 1.001, "d_max": 0.001, "warmup": 0}
    no_derivative = "r and d, which change with the input, carry no gradient"
    permuted = {
        "samples permuted": _after_warmup(samples_permuted),
        "positions permuted": _after_warmup(positions_permuted),
    }
    defining = {
        "batch normalization at first": _batch_norm_at_first,
        "evaluation within the limits": _evaluation_within_the_limits,
        "no further than the limits": _no_further_than_the_limits,
    }
    return Problem(
        f"batch_renorm-{name}{'-clipped' * clipped}",
        LAYERS[name],
        partial(reference, **options),
        shape=(5, 3, *MAPS[name]),
        arguments=lambda channels: {"num_features": channels, **options},
        statistics=statistics,
        refuses=refuses,
        invariants=permuted if clipped else {**permuted, **defining},
        partly={"statistics": "PyTorch refuses a checkpoint inside a compiled, partitioned graph"},
        not_applicable={}
        if clipped
        else {"derivatives": no_derivative, "transforms": no_derivative},
    )


# At the limits r and d do not change with the input: all that is differentiated is tried there.
PROBLEMS = [*(problem(name, clipped=False) for name in MAPS), problem("2d", clipped=True)]
