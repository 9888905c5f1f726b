"""EvoNorm-S0, from Liu, Brock, Simonyan and Le, 2020, table 2."""

from __future__ import annotations

import torch
from torch import Tensor

from normkit import nn
from normkit.testing.invariants import samples_alone
from normkit.testing.methods.group import refuses
from normkit.testing.problem import MAPS, Problem, State, close, per_channel

EPS = 1e-5
GROUPS = 3


def reference(x: Tensor, state: State, training: bool) -> Tensor:
    """y = x · σ(v · x) / √(s²_{w,h,c/g}(x) + ε) · γ + β."""
    samples, channels = x.shape[:2]
    grouped = x.reshape(samples, GROUPS, channels // GROUPS, *x.shape[2:])
    over = tuple(range(2, grouped.ndim))
    mean = grouped.mean(over, keepdim=True)
    deviation = (((grouped - mean) ** 2).mean(over, keepdim=True) + EPS) ** 0.5
    gate = 1 / (1 + torch.exp(-per_channel(state["v"], x) * x))
    y = (grouped / deviation).reshape(x.shape) * gate
    return y * per_channel(state["weight"], x) + per_channel(state["bias"], x)


def _keeps_zeros_and_signs(layer: torch.nn.Module, x: Tensor) -> None:
    """Nothing is subtracted from x, and the gate is positive."""
    close(layer(x).sign(), x.sign())


def _ungated_ignores_scale(layer: torch.nn.Module, x: Tensor) -> None:
    """Without the gate a factor changes nothing, if ε grows by its square."""
    groups, channels = vars(layer)["num_groups"], vars(layer)["num_channels"]
    plain = nn.EvoNormS0(groups, channels, eps=EPS, gate=False, dtype=x.dtype)
    scaled = nn.EvoNormS0(groups, channels, eps=EPS * 16, gate=False, dtype=x.dtype)
    close(scaled(4 * x), plain(x), 1e-9, 1e-9)


PROBLEMS = [
    Problem(
        f"evonorm_s0-{name}",
        nn.EvoNormS0,
        reference,
        shape=(5, 6, *positions),
        arguments=lambda channels: {"num_groups": GROUPS, "num_channels": channels},
        refuses=refuses,
        invariants={
            "keeps zeros and signs": _keeps_zeros_and_signs,
            "without the gate ignores a scale": _ungated_ignores_scale,
            "samples alone": samples_alone,
        },
        channels=(3, 6, 9),
    )
    for name, positions in MAPS.items()
]
