"""Positional normalization, from Li, Wu, Weinberger and Belongie, 2019, equations 1 and 2."""

from __future__ import annotations

import torch
from torch import Tensor

from normkit import functional, nn
from normkit.testing.invariants import (
    ignores_scale,
    ignores_shift,
    positions_permuted,
    samples_alone,
    standardised,
)
from normkit.testing.problem import MAPS, NOTHING_TO_MASK, Problem, State, close, per_channel

EPS = 1e-5


def reference(x: Tensor, state: State, training: bool) -> Tensor:
    """y = (x − μ) / σ with σ = √(mean((x − μ)²) + ε), over the channels of a position.

    With γ and β, where a layer has them.
    """
    mean = x.sum(1, keepdim=True) / x.shape[1]
    std = (((x - mean) ** 2).sum(1, keepdim=True) / x.shape[1] + EPS) ** 0.5
    y = (x - mean) / std
    if "weight" in state:
        y = per_channel(state["weight"], x) * y + per_channel(state["bias"], x)
    return y


def _shortcut_gives_back(layer: torch.nn.Module, x: Tensor) -> None:
    """The moments, given back to the output, give the input."""
    y, mean, std = functional.positional_norm_with_moments(x, eps=EPS)
    close(y, layer(x), 1e-9, 1e-9, "output")
    close(functional.moment_shortcut(y, mean, std), x, 1e-9, 1e-9, "given back")


def problem(name: str, affine: bool) -> Problem:
    """The layer on maps of some number of axes, with γ and β or, as in the paper, without."""
    return Problem(
        f"positional-{name}{'-affine' * affine}",
        nn.PositionalNorm,
        reference,
        shape=(5, 6, *MAPS[name]),
        arguments=lambda channels: {"num_channels": channels, "affine": affine},
        refuses=lambda shape, training: shape[1] == 1,
        not_applicable=NOTHING_TO_MASK,
        invariants={
            "standardised": standardised((1,)),
            "the shortcut gives back": _shortcut_gives_back,
            "ignores a shift per position": ignores_shift("N*"),
            "ignores a scale": ignores_scale,
            "samples alone": samples_alone,
            "positions permuted": positions_permuted,
        },
    )


PROBLEMS = [problem(name, affine) for affine in (False, True) for name in MAPS]
