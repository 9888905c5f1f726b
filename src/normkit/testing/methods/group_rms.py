"""Root mean square normalization over groups, from Zhang and Sennrich, 2019, equation 4."""

from __future__ import annotations

import torch
from torch import Tensor

from normkit import nn
from normkit.testing.invariants import ignores_scale, samples_alone
from normkit.testing.problem import MAPS, Problem, State, close, per_channel

EPS = 1e-5
GROUPS = 3


def reference(x: Tensor, state: State, training: bool) -> Tensor:
    """y = γ · x / √(mean(x²) + ε), over (C / G, *)."""
    samples, channels = x.shape[:2]
    grouped = x.reshape(samples, GROUPS, channels // GROUPS, *x.shape[2:])
    square = (grouped**2).mean(tuple(range(2, grouped.ndim)), keepdim=True)
    y = (grouped / (square + EPS) ** 0.5).reshape(x.shape)
    return per_channel(state["weight"], x) * y


def _unit_mean_square(layer: torch.nn.Module, x: Tensor) -> None:
    square = (x**2).reshape(len(x), GROUPS, -1).mean(2)
    found = (layer(x) ** 2).reshape(len(x), GROUPS, -1).mean(2)
    close(found, square / (square + EPS), 1e-9, 1e-9)


def _groups_alone(layer: torch.nn.Module, x: Tensor) -> None:
    """A group's output does not depend on the other groups."""
    width = x.shape[1] // GROUPS
    other = torch.cat((x[:, :width], torch.randn_like(x[:, width:])), 1)
    close(layer(other)[:, :width], layer(x)[:, :width], 1e-9, 1e-9, "other groups replaced")


PROBLEMS = [
    Problem(
        f"group_rms-{name}",
        nn.GroupRMSNorm,
        reference,
        shape=(5, 6, *positions),
        arguments=lambda channels: {"num_groups": GROUPS, "num_channels": channels},
        invariants={
            "unit mean square": _unit_mean_square,
            "groups alone": _groups_alone,
            "ignores a scale": ignores_scale,
            "samples alone": samples_alone,
        },
        channels=(3, 6, 9),
    )
    for name, positions in MAPS.items()
]
