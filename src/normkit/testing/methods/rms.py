"""Root mean square normalization, from Zhang and Sennrich, 2019, equation 4."""

from __future__ import annotations

import torch
from torch import Tensor

from normkit import nn
from normkit.testing.invariants import ignores_scale, positions_permuted, samples_alone
from normkit.testing.problem import MAPS, NOTHING_TO_MASK, Problem, State, close, per_channel

EPS = 1e-5


def reference(x: Tensor, state: State, training: bool) -> Tensor:
    """y = γ · x / √(mean(x²) + ε), over the channels of a position."""
    return per_channel(state["weight"], x) * x / ((x**2).mean(1, keepdim=True) + EPS) ** 0.5


def _unit_mean_square(layer: torch.nn.Module, x: Tensor) -> None:
    square = (x**2).mean(1)
    close((layer(x) ** 2).mean(1), square / (square + EPS), 1e-9, 1e-9)


PROBLEMS = [
    Problem(
        f"rms-{name}",
        layer,
        reference,
        shape=(5, 6, *MAPS[name]),
        arguments=lambda channels: {"num_channels": channels},
        not_applicable=NOTHING_TO_MASK,
        invariants={
            "unit mean square": _unit_mean_square,
            "ignores a scale": ignores_scale,
            "samples alone": samples_alone,
            "positions permuted": positions_permuted,
        },
        inductor=name == "2d",
    )
    for name, layer in {
        "features": nn.RMSNorm1d,
        "1d": nn.RMSNorm1d,
        "2d": nn.RMSNorm2d,
        "3d": nn.RMSNorm3d,
    }.items()
]
