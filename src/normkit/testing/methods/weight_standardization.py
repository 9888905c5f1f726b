"""Weight standardization, from Qiao et al., 2019, equations 6 and 7."""

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
    weight_in,
)

EPS = 1e-5


def reference(x: Tensor, state: State, training: bool) -> Tensor:
    """Ŵ = (W − μ) / √(σ² + ε), over the inputs of an output."""
    weight = state[WEIGHT + "original"]
    rows = weight.flatten(1)
    mean = rows.mean(1, keepdim=True)
    variance = ((rows - mean) ** 2).mean(1, keepdim=True)
    standardised = (rows - mean) / (variance + EPS) ** 0.5
    return convolved(x, standardised.reshape(weight.shape), state)


def _standardised(layer: torch.nn.Module, x: Tensor) -> None:
    rows = weight_in(layer)
    variance = layer.get_parameter(WEIGHT + "original").detach().flatten(1).var(1, correction=0)
    close(rows.mean(1), torch.zeros_like(variance), 0, 1e-9, "mean")
    close(rows.var(1, correction=0), variance / (variance + EPS), 1e-9, 1e-9, "variance")


def _ignores_a_shift(layer: torch.nn.Module, x: Tensor) -> None:
    y = layer(x)
    original = layer.get_parameter(WEIGHT + "original")
    with torch.no_grad():
        original.add_(torch.randn(len(original), *(1,) * (original.ndim - 1)))
    close(layer(x), y, 1e-7, 1e-7)


PROBLEMS = [
    Problem(
        f"weight_standardization-{name}",
        partial(Normalised, nn.weight_standardization, name),
        reference,
        shape=(5, 6, *MAPS[name]),
        arguments=lambda channels: {"channels": channels},
        invariants={
            "standardised": _standardised,
            "ignores a shift per output": _ignores_a_shift,
            "samples alone": samples_alone,
        },
        # A linear layer of one input has nothing to standardise.
        channels=(2, 3, 6),
        on="weights",
        not_applicable=not_applicable(name),
    )
    for name in PLAIN
]
