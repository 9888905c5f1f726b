"""Local context normalization, from Ortiz et al., 2020, section 3, with windows that are cut."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from normkit import nn
from normkit.testing.invariants import ignores_scale, ignores_shift, samples_alone
from normkit.testing.problem import MAPS, Invariant, Problem, Reference, State, close, per_channel

EPS = 1e-5
PER_GROUP = 2
LAYERS: Mapping[str, Callable[..., torch.nn.Module]] = MappingProxyType(
    {
        "features": nn.LocalContextNorm1d,
        "1d": nn.LocalContextNorm1d,
        "2d": nn.LocalContextNorm2d,
        "3d": nn.LocalContextNorm3d,
    }
)


def window(length: int, size: int, position: int) -> slice:
    """The positions around one along an axis: all, where the window is not shorter."""
    if size >= length:
        return slice(0, length)
    return slice(max(0, position - size // 2), min(length, position + (size - 1) // 2 + 1))


def reference(sizes: tuple[int, ...]) -> Reference:
    """y = γ · (x − μ_S) / √(σ²_S + ε) + β, over the set S of a group's channels in a window."""

    def compute(x: Tensor, state: State, training: bool) -> Tensor:
        samples, channels, *positions = x.shape
        grouped = x.reshape(samples, channels // PER_GROUP, PER_GROUP, *positions)
        # Each window is looked at once, however many positions share it.
        moments: dict[str, tuple[Tensor, Tensor]] = {}
        means, stds = [], []
        for position in itertools.product(*map(range, positions)):
            of = [window(*each) for each in zip(positions, sizes, position, strict=False)]
            if str(of) not in moments:
                values = grouped[(slice(None), slice(None), slice(None), *of)].flatten(2)
                mean = values.mean(2)
                variance = ((values - mean.unsqueeze(2)) ** 2).mean(2)
                moments[str(of)] = mean, (variance + EPS) ** 0.5
            mean, std = moments[str(of)]
            means.append(mean)
            stds.append(std)
        shape = (samples, channels // PER_GROUP, 1, *positions)
        mean, std = (torch.stack(each, 2).reshape(shape) for each in (means, stds))
        y = ((grouped - mean) / std).reshape(x.shape)
        return per_channel(state["weight"], x) * y + per_channel(state["bias"], x)

    return compute


def _far_alone(sizes: tuple[int, ...]) -> Invariant:
    """The output at the first position does not depend on what is beyond its window."""

    def check(layer: torch.nn.Module, x: Tensor) -> None:
        positions = x.shape[2:]
        first = [window(*each, 0) for each in zip(positions, sizes, strict=False)]
        other = torch.randn_like(x)
        inside = (slice(None), slice(None), *first)
        other[inside] = x[inside]
        start = (slice(None), slice(None), *(0,) * len(positions))
        close(layer(other)[start], layer(x)[start], 1e-7, 1e-7, "beyond the window replaced")

    return check


def _groups_alone(layer: torch.nn.Module, x: Tensor) -> None:
    """A group's output does not depend on the other groups."""
    other = torch.cat((x[:, :PER_GROUP], torch.randn_like(x[:, PER_GROUP:])), 1)
    close(layer(other)[:, :PER_GROUP], layer(x)[:, :PER_GROUP], 1e-7, 1e-7, "others replaced")


def _turned(layer: torch.nn.Module, x: Tensor) -> None:
    """With an odd window the map may be looked at from the other end."""
    axes = tuple(range(2, x.ndim))
    close(layer(x.flip(axes)), layer(x).flip(axes), 1e-7, 1e-7, "turned")


def problem(name: str, label: str, sizes: tuple[int, ...]) -> Problem:
    """The layer on maps of some number of axes, with a window."""
    invariants: dict[str, Invariant] = {
        "beyond the window": _far_alone(sizes),
        "groups alone": _groups_alone,
        "ignores a shift per sample": ignores_shift("N"),
        "ignores a scale": ignores_scale,
        "samples alone": samples_alone,
    }
    if all(size % 2 == 1 for size in sizes):
        invariants["turned"] = _turned
    return Problem(
        f"local_context-{name}{label}",
        LAYERS[name],
        reference(sizes),
        shape=(5, 6, *MAPS[name]),
        arguments=lambda channels: {
            "num_channels": channels,
            "channels_per_group": PER_GROUP,
            "window_size": sizes,
        },
        not_applicable={"masked": "windows that a mask cuts are not written yet"},
        invariants=invariants,
        channels=(2, 4, 6),
    )


PROBLEMS = [
    problem("features", "", (3,)),
    problem("1d", "", (3,)),
    problem("1d", "-even", (6,)),
    problem("2d", "", (3, 2)),
    problem("2d", "-whole", (227, 227)),
    problem("3d", "", (1, 2, 3)),
]
