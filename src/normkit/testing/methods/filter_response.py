"""Filter response normalization, from Singh and Krishnan, 2019, equations 1 to 4."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from normkit import nn
from normkit.testing.invariants import ignores_scale, positions_permuted, samples_alone
from normkit.testing.problem import MAPS, Invariant, Problem, State, close, per_channel

EPS = 1e-6


def reference(x: Tensor, state: State, training: bool) -> Tensor:
    """z = max(γ · x / √(ν² + ε) + β, τ), with ν² the mean of x² over the positions."""
    flat = x.reshape(*x.shape[:2], -1)
    square = (flat**2).sum(2, keepdim=True) / flat.shape[2]
    eps: Tensor | float = EPS
    if "learned_eps" in state:
        eps = EPS + state["learned_eps"].abs()[:, None]
    y = (flat / (square + eps) ** 0.5).reshape(x.shape)
    y = per_channel(state["weight"], x) * y + per_channel(state["bias"], x)
    if "threshold" in state:
        tau = per_channel(state["threshold"], x).expand_as(y)
        y = torch.where(y > tau, y, tau)
    return y


def _nothing_below_the_threshold(layer: torch.nn.Module, x: Tensor) -> None:
    assert (layer(x) >= 0).all()


def _unit_mean_square(layer: torch.nn.Module, x: Tensor) -> None:
    """Without the threshold, whatever the mean: a shift is not ignored."""
    y, square = layer(x).flatten(2), (x.flatten(2) ** 2).mean(2)
    close((y**2).mean(2), square / (square + EPS), 1e-9, 1e-9)


def problem(name: str, layer: type[torch.nn.Module], options: dict[str, Any]) -> Problem:
    """The layer on maps of some number of axes, with some options."""
    invariants: dict[str, Invariant] = {
        "samples alone": samples_alone,
        "positions permuted": positions_permuted,
    }
    if options.get("tlu", True):
        invariants["nothing below the threshold"] = _nothing_below_the_threshold
    if not options.get("learn_eps"):
        invariants["ignores a scale"] = ignores_scale
    if options == {"tlu": False}:
        invariants["unit mean square"] = _unit_mean_square
    told = "".join(f"-{option}" for option in options)
    return Problem(
        f"filter_response-{name}{told}",
        layer,
        reference,
        shape=(5, 6, *MAPS[name]),
        arguments=lambda channels: {"num_features": channels, **options},
        invariants=invariants,
    )


PROBLEMS = [
    problem("features", nn.FilterResponseNorm1d, {"learn_eps": True}),
    problem("1d", nn.FilterResponseNorm1d, {}),
    problem("2d", nn.FilterResponseNorm2d, {}),
    problem("2d", nn.FilterResponseNorm2d, {"tlu": False}),
    problem("3d", nn.FilterResponseNorm3d, {}),
]
