"""Spectral normalization, from Miyato et al., 2018, algorithm 1, in PyTorch's order."""

from __future__ import annotations

from collections.abc import Mapping
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

ITERATIONS = 1000


def _iterated(state: State) -> tuple[Tensor, Tensor]:
    """u ← W · v / ‖W · v‖, v ← Wᵀ · u / ‖Wᵀ · u‖."""
    matrix = state[WEIGHT + "original"].detach().flatten(1)
    u = matrix @ state[WEIGHT + "0._v"]
    u = u / (u**2).sum() ** 0.5
    v = matrix.T @ u
    return u, v / (v**2).sum() ** 0.5


def reference(x: Tensor, state: State, training: bool) -> Tensor:
    """W / σ with σ = uᵀ · W · v, and u and v constants."""
    u, v = _iterated(state) if training else (state[WEIGHT + "0._u"], state[WEIGHT + "0._v"])
    weight = state[WEIGHT + "original"]
    return convolved(x, weight / (u @ weight.flatten(1) @ v), state)


def statistics(x: Tensor, state: State) -> Mapping[str, Tensor]:
    """The vectors after one iteration; the batch has no part in it."""
    u, v = _iterated(state)
    return {WEIGHT + "0._u": u, WEIGHT + "0._v": v}


def _largest_singular_value_is_one(layer: torch.nn.Module, x: Tensor) -> None:
    assert isinstance(layer, Normalised)
    parametrization = layer.layer.get_submodule("parametrizations.weight.0")
    vars(parametrization)["n_power_iterations"] = ITERATIONS
    close(torch.linalg.svdvals(weight_in(layer))[0], x.new_ones(()), 1e-4, 1e-4)


def _ignores_a_scale(layer: torch.nn.Module, x: Tensor) -> None:
    layer.eval()
    y = layer(x)
    scale_(layer, "original", 4.0)
    close(layer(x), y, 1e-9, 1e-9)


MOVES = "the vectors move when the weight is read in training, whatever the input"

PROBLEMS = [
    Problem(
        f"spectral_norm-{name}",
        partial(Normalised, nn.spectral_norm, name),
        reference,
        shape=(5, 6, *MAPS[name]),
        arguments=lambda channels: {"channels": channels},
        statistics=statistics,
        invariants={
            "largest singular value 1": _largest_singular_value_is_one,
            "ignores a scale": _ignores_a_scale,
            "samples alone, in evaluation": lambda layer, x: samples_alone(layer.eval(), x),
        },
        on="weights",
        partly={"derivatives": "in training u and v move with the weight, as constants"},
        not_applicable={
            **not_applicable(name),
            "statistics": MOVES,
            "endings": MOVES,
            "empty": MOVES,
            "transforms": "given to a vmap that shares the weight, the vectors move once for all",
        },
    )
    for name in PLAIN
]
