"""Scaled weight standardization, from Brock, De and Smith, 2021, equation 6.

The gain and the least value under the root are those of section 2 of Brock et al., 2021, "High-
Performance Large-Scale Image Recognition Without Normalization", and of its code.
"""

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

EPS = 1e-4
GAMMA = 1.7


def reference(x: Tensor, state: State, training: bool) -> Tensor:
    """Ŵ = g · γ · (W − μ) / √max(N · σ², ε), over the N inputs of an output."""
    weight, gain = state[WEIGHT + "original"], state[WEIGHT + "0.gain"]
    rows = weight.flatten(1)
    fan_in = rows.shape[1]
    mean = rows.mean(1, keepdim=True)
    variance = ((rows - mean) ** 2).mean(1, keepdim=True)
    scaled = GAMMA * (rows - mean) / (fan_in * variance).clamp(min=EPS) ** 0.5
    return convolved(x, (gain[:, None] * scaled).reshape(weight.shape), state)


def _mean_and_length(layer: torch.nn.Module, x: Tensor) -> None:
    rows = weight_in(layer)
    gain = layer.get_parameter(WEIGHT + "0.gain").detach()
    close(rows.mean(1), torch.zeros_like(gain), 0, 1e-9, "mean")
    close(rows.square().sum(1), (gain * GAMMA) ** 2, 1e-9, 1e-9, "length")


def _ignores_a_scale(layer: torch.nn.Module, x: Tensor) -> None:
    y = layer(x)
    scale_(layer, "original", 4.0)
    close(layer(x), y, 1e-9, 1e-9)


PROBLEMS = [
    Problem(
        f"scaled_weight_standardization-{name}",
        partial(Normalised, partial(nn.scaled_weight_standardization, gamma=GAMMA), name),
        reference,
        shape=(5, 6, *MAPS[name]),
        arguments=lambda channels: {"channels": channels},
        invariants={
            "mean 0 and length g · γ": _mean_and_length,
            "ignores a scale": _ignores_a_scale,
            "samples alone": samples_alone,
        },
        # A linear layer of one input has nothing to standardise.
        channels=(3, 6),
        on="weights",
        not_applicable=not_applicable(name),
    )
    for name in PLAIN
]
