"""Batch normalization with fixed statistics, from Ioffe and Szegedy, 2015, algorithm 2.

He, Zhang, Ren and Sun, 2015, appendix A, fix them in training too.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from normkit import nn
from normkit.testing.invariants import positions_permuted, samples_alone
from normkit.testing.problem import MAPS, Problem, State, close, per_channel

EPS = 1e-5


def reference(x: Tensor, state: State, training: bool) -> Tensor:
    """y = γ · (x − E[x]) / √(Var[x] + ε) + β, with E[x] and Var[x] as given."""
    y = x - per_channel(state["running_mean"], x)
    y = y / (per_channel(state["running_var"], x) + EPS) ** 0.5
    return per_channel(state["weight"], x) * y + per_channel(state["bias"], x)


def settle(layer: torch.nn.Module) -> None:
    """Gives it the buffers of a trained layer."""
    for name, buffer in layer.named_buffers():
        if name == "running_var":
            buffer.uniform_(0.5, 3)
        else:
            buffer.normal_()


def _settled(layer: torch.nn.Module) -> torch.nn.Module:
    settled = copy.deepcopy(layer)
    settle(settled)
    return settled


def _a_line_per_channel(layer: torch.nn.Module, x: Tensor) -> None:
    """The output moves in a straight line with the input, by γ / √(v + ε) per channel."""
    layer = _settled(layer)
    state = dict(layer.named_buffers())
    slope = state["weight"] / (state["running_var"] + EPS).sqrt()
    step = torch.randn_like(x)
    close(layer(x + step) - layer(x), per_channel(slope, x) * step, 1e-9, 1e-9)


def _the_mean_becomes_the_bias(layer: torch.nn.Module, x: Tensor) -> None:
    layer = _settled(layer)
    state = dict(layer.named_buffers())
    at_mean = per_channel(state["running_mean"], x).expand_as(x)
    close(layer(at_mean), per_channel(state["bias"], x).expand_as(x), 1e-9, 1e-9)


def _nothing_moves(layer: torch.nn.Module, x: Tensor) -> None:
    before = copy.deepcopy(layer.state_dict())
    layer(x)
    close(dict(layer.state_dict()), dict(before), told="state after a batch")
    if list(layer.parameters()):
        raise AssertionError("it has parameters, which an optimizer moves")


PROBLEMS = [
    Problem(
        f"frozen_batch-{name}",
        layer,
        reference,
        shape=(5, 6, *MAPS[name]),
        settle=settle,
        not_applicable={} if name == "features" else {"masked": "a batch is in no statistic"},
        invariants={
            "a line per channel": _a_line_per_channel,
            "the mean becomes the bias": _the_mean_becomes_the_bias,
            "nothing moves": _nothing_moves,
            "samples alone": samples_alone,
            "positions permuted": positions_permuted,
        },
    )
    for name, layer in {
        "features": nn.FrozenBatchNorm1d,
        "1d": nn.FrozenBatchNorm1d,
        "2d": nn.FrozenBatchNorm2d,
        "3d": nn.FrozenBatchNorm3d,
    }.items()
]
