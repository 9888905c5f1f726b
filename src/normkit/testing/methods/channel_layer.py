"""Layer normalization over the channels, from Ba, Kiros and Hinton, 2016, equation 3."""

from __future__ import annotations

from torch import Tensor

from normkit import nn
from normkit.testing.invariants import (
    ignores_scale,
    ignores_shift,
    positions_permuted,
    samples_alone,
    standardised,
)
from normkit.testing.problem import MAPS, NOTHING_TO_MASK, Problem, State, per_channel

EPS = 1e-5


def reference(x: Tensor, state: State, training: bool) -> Tensor:
    """y = γ · (x − μ) / √(σ² + ε) + β, over the channels of a position."""
    mean = x.mean(1, keepdim=True)
    variance = ((x - mean) ** 2).mean(1, keepdim=True)
    y = (x - mean) / (variance + EPS) ** 0.5
    return per_channel(state["weight"], x) * y + per_channel(state["bias"], x)


PROBLEMS = [
    Problem(
        f"channel_layer-{name}",
        layer,
        reference,
        shape=(5, 6, *MAPS[name]),
        arguments=lambda channels: {"num_channels": channels},
        refuses=lambda shape, training: shape[1] == 1,
        not_applicable=NOTHING_TO_MASK,
        invariants={
            "standardised": standardised((1,)),
            "ignores a shift per position": ignores_shift("N*"),
            "ignores a scale": ignores_scale,
            "samples alone": samples_alone,
            "positions permuted": positions_permuted,
        },
        inductor=name == "2d",
    )
    for name, layer in {
        "features": nn.LayerNorm1d,
        "1d": nn.LayerNorm1d,
        "2d": nn.LayerNorm2d,
        "3d": nn.LayerNorm3d,
    }.items()
]
