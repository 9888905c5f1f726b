"""Group normalization, from Wu and He, 2018, equations 1 to 5 and 7."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from normkit import nn
from normkit.testing.invariants import (
    ignores_scale,
    ignores_shift,
    samples_alone,
    standardised,
)
from normkit.testing.problem import MAPS, Problem, State, per_channel

EPS = 1e-5
GROUPS = 3


def reference(x: Tensor, state: State, training: bool, groups: int = GROUPS) -> Tensor:
    """y = γ · (x − μ) / √(σ² + ε) + β, over (C / G, *)."""
    samples, channels = x.shape[:2]
    grouped = x.reshape(samples, groups, channels // groups, *x.shape[2:])
    over = tuple(range(2, grouped.ndim))
    mean = grouped.mean(over, keepdim=True)
    variance = ((grouped - mean) ** 2).mean(over, keepdim=True)
    y = ((grouped - mean) / (variance + EPS) ** 0.5).reshape(x.shape)
    return per_channel(state["weight"], x) * y + per_channel(state["bias"], x)


def refuses(shape: tuple[int, ...], training: bool, groups: int = GROUPS) -> bool:
    """One value per group."""
    _, channels, *positions = shape
    return channels == groups and all(size == 1 for size in positions)


def problems(name: str, groups: int, channels: tuple[int, ...]) -> list[Problem]:
    """Those of a method that is `GroupNorm` with a number of groups."""
    return [
        Problem(
            f"{name}-{dims}",
            nn.GroupNorm,
            partial(reference, groups=groups),
            shape=(5, 6, *positions),
            arguments=lambda count: {"num_groups": groups, "num_channels": count},
            refuses=partial(refuses, groups=groups),
            invariants={
                "standardised": standardised((2, 3, 4, 5), groups),
                "ignores a shift per sample": ignores_shift("N"),
                "ignores a scale": ignores_scale,
                "samples alone": samples_alone,
            },
            channels=channels,
            inductor=dims == "2d",
        )
        for dims, positions in MAPS.items()
    ]


PROBLEMS = problems("group", GROUPS, channels=(3, 6, 9))
