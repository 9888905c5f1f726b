"""Decorrelated batch normalization, from Huang et al., 2018, algorithm 1 in groups of channels.

The running statistics are not the paper's, which averages the projections.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from normkit import nn
from normkit.testing.invariants import (
    NEAR,
    ignores_scale,
    ignores_shift,
    positions_permuted,
    samples_permuted,
)
from normkit.testing.problem import MAPS, Problem, State, close, per_channel

MOMENTUM, EPS, GROUPS = 0.1, 1e-5, 2


def groups_of(x: Tensor) -> list[Tensor]:
    """Each group of channels `(N, C / G, *)` as the paper's X, `(C / G, m)`, not centred."""
    return [part.transpose(0, 1).flatten(1) for part in x.chunk(GROUPS, dim=1)]


def covariance(group: Tensor) -> Tensor:
    """Σ = (X − μ)(X − μ)ᵀ / m."""
    centred = group - group.mean(1, keepdim=True)
    return centred @ centred.T / group.shape[1]


def whitened(x: Tensor, projections: list[Tensor], means: list[Tensor], state: State) -> Tensor:
    """γ · W (X − μ) + β, for each group."""
    parts = []
    for part, projection, mean in zip(x.chunk(GROUPS, dim=1), projections, means, strict=True):
        centred = part - per_channel(mean, part)
        parts.append(torch.einsum("ij,nj...->ni...", projection, centred))
    y = torch.cat(parts, dim=1)
    return per_channel(state["weight"], x) * y + per_channel(state["bias"], x)


def _projection(sigma: Tensor) -> Tensor:
    """D Λ^(−1/2) Dᵀ, with D Λ Dᵀ = Σ + εI."""
    identity = torch.eye(len(sigma), dtype=sigma.dtype)
    values, vectors = torch.linalg.eigh(sigma + EPS * identity)
    projection: Tensor = vectors @ torch.diag(values**-0.5) @ vectors.T
    return projection


def reference(x: Tensor, state: State, training: bool) -> Tensor:
    """γ · D Λ^(−1/2) Dᵀ (x − μ) + β; in evaluation of the average covariance and mean."""
    sigmas, means = of_batch(x) if training else of_state(state)
    return whitened(x, [_projection(sigma) for sigma in sigmas], means, state)


def of_batch(x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """The covariance and mean of each group."""
    groups = groups_of(x)
    return [covariance(group) for group in groups], [group.mean(1) for group in groups]


def of_state(state: State) -> tuple[list[Tensor], list[Tensor]]:
    """The running covariance and mean of each group."""
    return list(state["running_covariance"]), list(state["running_mean"].chunk(GROUPS))


def statistics(x: Tensor, state: State) -> Mapping[str, Tensor]:
    """Moving averages of the batch's mean and unbiased covariance, and the projection of that."""
    return moved(x, state, _projection)


def moved(x: Tensor, state: State, projection: Callable[[Tensor], Tensor]) -> Mapping[str, Tensor]:
    """The running statistics after a batch."""
    sigmas, means = of_batch(x)
    count = x[:, 0].numel()
    unbiased = torch.stack(sigmas) * count / (count - 1)
    running = (1 - MOMENTUM) * state["running_covariance"] + MOMENTUM * unbiased
    return {
        "running_mean": (1 - MOMENTUM) * state["running_mean"] + MOMENTUM * torch.cat(means),
        "running_covariance": running,
        "running_projection": torch.stack([projection(sigma) for sigma in running]),
        "num_batches_tracked": state["num_batches_tracked"] + 1,
    }


def refuses(shape: tuple[int, ...], training: bool) -> bool:
    """One value per channel, in training."""
    samples, _, *positions = shape
    return training and samples == 1 and all(size == 1 for size in positions)


def _whitened(layer: torch.nn.Module, x: Tensor) -> None:
    """The covariance of the output is Σ (Σ + εI)⁻¹: λ / (λ + ε) along each eigenvector of Σ."""
    for before, after in zip(groups_of(x), groups_of(layer(x)), strict=True):
        sigma = covariance(before)
        shifted = sigma + EPS * torch.eye(len(sigma), dtype=x.dtype)
        close(covariance(after), torch.linalg.solve(shifted, sigma), NEAR, NEAR, "covariance")
        close(after.mean(1), torch.zeros_like(after[:, 0]), 0, NEAR, "mean")


def symmetric(layer: torch.nn.Module, x: Tensor) -> None:
    """W is symmetric and positive, so W Σ, of output against input, is too."""
    for before, after in zip(groups_of(x), groups_of(layer(x)), strict=True):
        centred = before - before.mean(1, keepdim=True)
        across = after @ centred.T / after.shape[1]
        close(across, across.T, NEAR, NEAR, "output against input, transposed")
        least = torch.linalg.eigvalsh(across).min().item()
        if least < -NEAR:
            raise AssertionError(f"a direction is mirrored: {least}")


def turns(layer: torch.nn.Module, x: Tensor) -> None:
    """Rotating the channels of a group rotates its output."""
    size = x.shape[1] // GROUPS
    rotation = torch.linalg.qr(torch.randn(size, size, dtype=x.dtype)).Q

    def rotated(x: Tensor) -> Tensor:
        parts = x.chunk(GROUPS, dim=1)
        return torch.cat([torch.einsum("ij,nj...->ni...", rotation, part) for part in parts], 1)

    close(layer(rotated(x)), rotated(layer(x)), NEAR, NEAR, "rotated")


def groups_alone(layer: torch.nn.Module, x: Tensor) -> None:
    """A group's output does not depend on the other group."""
    size = x.shape[1] // GROUPS
    other = torch.cat([x[:, :size], torch.randn_like(x[:, size:])], dim=1)
    close(layer(other)[:, :size], layer(x)[:, :size], NEAR, NEAR, "with another second group")


PROBLEMS = [
    Problem(
        f"decorrelated_batch-{name}",
        layer,
        reference,
        shape=(5, 6, *MAPS[name]),
        arguments=lambda channels: {"num_features": channels, "num_groups": GROUPS},
        statistics=statistics,
        refuses=refuses,
        invariants={
            "whitened": _whitened,
            "symmetric": symmetric,
            "rotated with the channels": turns,
            "groups alone": groups_alone,
            "ignores a shift per channel": ignores_shift("C"),
            "ignores a scale": ignores_scale,
            "samples permuted": samples_permuted,
            "positions permuted": positions_permuted,
        },
        channels=(2, 4, 6),
    )
    for name, layer in {
        "features": nn.DecorrelatedBatchNorm1d,
        "1d": nn.DecorrelatedBatchNorm1d,
        "2d": nn.DecorrelatedBatchNorm2d,
        "3d": nn.DecorrelatedBatchNorm3d,
    }.items()
]
