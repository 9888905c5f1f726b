"""Weight normalization, from Salimans and Kingma, 2016, equation 2."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from normkit import nn
from normkit.testing.invariants import samples_alone
from normkit.testing.problem import MAPS, Problem, State, close
from normkit.testing.weights import (
    PLAIN,
    WEIGHT,
    Normalised,
    convolved,
    not_applicable,
    scale_,
    weight_in,
)


def reference(x: Tensor, state: State, training: bool) -> Tensor:
    """w = g · v / ‖v‖, per output."""
    g, v = state[WEIGHT + "original0"], state[WEIGHT + "original1"]
    squares = (v**2).flatten(1).sum(1).reshape(g.shape)
    return convolved(x, g * v / squares**0.5, state)


def _has_length_g(layer: torch.nn.Module, x: Tensor) -> None:
    g = layer.get_parameter(WEIGHT + "original0")
    close(weight_in(layer).square().sum(1), g.detach().flatten() ** 2, 1e-9, 1e-9)


def _ignores_the_length_of_v(layer: torch.nn.Module, x: Tensor) -> None:
    y = layer(x)
    scale_(layer, "original1", 4.0)
    close(layer(x), y, 1e-9, 1e-9)


PROBLEMS = [
    Problem(
        f"weight_norm-{name}",
        partial(Normalised, nn.weight_norm, name),
        reference,
        shape=(5, 6, *MAPS[name]),
        arguments=lambda channels: {"channels": channels},
        invariants={
            "length g": _has_length_g,
            "ignores the length of v": _ignores_the_length_of_v,
            "samples alone": samples_alone,
        },
        on="weights",
        not_applicable=not_applicable(name),
    )
    for name in PLAIN
]
