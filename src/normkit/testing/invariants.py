"""What defines a method, as checks that many of them share; a problem lists those it keeps.

Each makes a check of a layer in training and an input in float64. A layer that checks are made
with has γ = 1 and β = 0.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from normkit.testing.problem import Invariant, close

NEAR = 1e-7


def standardised(axes: tuple[int, ...], groups: int | None = None) -> Invariant:
    """Mean 0 and variance σ² / (σ² + ε) over some axes, or over those of (N, G, C / G, *)."""

    def check(layer: torch.nn.Module, x: Tensor) -> None:
        variance = x.new_zeros(())
        for name, tensor in (("input", x), ("output", layer(x))):
            grouped = tensor if groups is None else _in_groups(tensor, groups)
            over = tuple(axis for axis in axes if axis < grouped.ndim)
            centred = grouped - grouped.mean(over, keepdim=True)
            if name == "input":
                variance = centred.square().mean(over)
                continue
            close(grouped.mean(over), torch.zeros_like(variance), 0, NEAR, "mean")
            right = variance / (variance + _eps(layer))
            close(centred.square().mean(over), right, NEAR, NEAR, "variance")

    return check


def _eps(layer: torch.nn.Module) -> float:
    return float(vars(layer)["eps"])


def _in_groups(x: Tensor, groups: int) -> Tensor:
    return x.reshape(len(x), groups, x.shape[1] // groups, *x.shape[2:])


def ignores_shift(shape: str) -> Invariant:
    """Adding a constant changes nothing: one per channel ("C"), sample ("N"), or both ("NC")."""

    def check(layer: torch.nn.Module, x: Tensor) -> None:
        shift = 5 * torch.randn(_like(shape, x), dtype=x.dtype)
        close(layer(x + shift), layer(x), NEAR, NEAR, f"shifted by {shape}")

    return check


def ignores_scale(layer: torch.nn.Module, x: Tensor) -> None:
    """A factor a changes nothing, if ε grows by a²."""
    scaled = copy.deepcopy(layer)
    factor = 4.0  # A power of two, so that the arithmetic is exact.
    vars(scaled)["eps"] = _eps(layer) * factor**2
    close(scaled(x * factor), layer(x), NEAR, NEAR, "scaled")


def _like(shape: str, x: Tensor) -> tuple[int, ...]:
    samples, channels, *positions = x.shape
    return (
        samples if "N" in shape else 1,
        channels if "C" in shape else 1,
        *(positions if "*" in shape else [1] * len(positions)),
    )


def samples_alone(layer: torch.nn.Module, x: Tensor) -> None:
    """A sample's output does not depend on the others."""
    y = layer(x)
    close(layer(x[:1]), y[:1], NEAR, NEAR, "one sample alone")
    close(layer(x.flip(0)), y.flip(0), NEAR, NEAR, "in another order")


def positions_permuted(layer: torch.nn.Module, x: Tensor) -> None:
    """Permuting the positions permutes the output."""
    if x.ndim == 2:
        return
    order = torch.randperm(x[0, 0].numel())

    def permuted(x: Tensor) -> Tensor:
        return x.flatten(2)[:, :, order].reshape(x.shape)

    close(layer(permuted(x)), permuted(layer(x)), NEAR, NEAR, "positions permuted")


def samples_permuted(layer: torch.nn.Module, x: Tensor) -> None:
    """Permuting the samples permutes the output."""
    order = torch.randperm(len(x))
    close(layer(x[order]), layer(x)[order], NEAR, NEAR, "samples permuted")
