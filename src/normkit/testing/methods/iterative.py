"""Iterative normalization, from Huang et al., 2019, algorithm 1.

The running statistics are not the paper's, which averages the projections.
"""

from __future__ import annotations

from collections.abc import Mapping

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
from normkit.testing.methods.decorrelated_batch import (
    GROUPS,
    covariance,
    groups_alone,
    groups_of,
    moved,
    of_batch,
    of_state,
    refuses,
    symmetric,
    turns,
    whitened,
)
from normkit.testing.problem import MAPS, Problem, State, close

EPS, ITERATIONS = 1e-5, 5


def _projection(covariance: Tensor) -> Tensor:
    """P_T / √tr(Σ), with Pₖ = (3 Pₖ₋₁ − Pₖ₋₁³ Σ / tr(Σ)) / 2, and εI in Σ."""
    identity = torch.eye(len(covariance), dtype=covariance.dtype)
    sigma = covariance + EPS * identity
    trace = torch.trace(sigma)
    p = identity
    for _ in range(ITERATIONS):
        p = (3 * p - torch.linalg.matrix_power(p, 3) @ (sigma / trace)) / 2
    return p / trace.sqrt()


def reference(x: Tensor, state: State, training: bool) -> Tensor:
    """γ · W (x − μ) + β; in evaluation of the average covariance and mean."""
    sigmas, means = of_batch(x) if training else of_state(state)
    return whitened(x, [_projection(sigma) for sigma in sigmas], means, state)


def statistics(x: Tensor, state: State) -> Mapping[str, Tensor]:
    """Moving averages of the batch's mean and unbiased covariance, and the projection of that."""
    return moved(x, state, _projection)


def _whitened_in_part(layer: torch.nn.Module, x: Tensor) -> None:
    """Along an eigenvector of Σ, the output's variance is what the iteration makes of a number.

    Where all eigenvalues are alike that is near 1, and nowhere above.
    """
    for before, after in zip(groups_of(x), groups_of(layer(x)), strict=True):
        values, vectors = torch.linalg.eigh(covariance(before))
        shifted = values + EPS
        root = torch.ones_like(values)
        for _ in range(ITERATIONS):
            root = root + root * (1 - root**2 * shifted / shifted.sum()) / 2
        right = root**2 * values / shifted.sum()
        found = vectors.T @ covariance(after) @ vectors
        close(found, torch.diag(right), NEAR, NEAR, "covariance along the eigenvectors")
        if right.max() > 1:
            raise AssertionError(f"a variance above 1: {right}")
        close(after.mean(1), torch.zeros_like(after[:, 0]), 0, NEAR, "mean")


PROBLEMS = [
    Problem(
        f"iterative-{name}",
        layer,
        reference,
        shape=(5, 6, *MAPS[name]),
        arguments=lambda channels: {"num_features": channels, "num_groups": GROUPS},
        statistics=statistics,
        refuses=refuses,
        invariants={
            "whitened in part": _whitened_in_part,
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
        "features": nn.IterativeNorm1d,
        "1d": nn.IterativeNorm1d,
        "2d": nn.IterativeNorm2d,
        "3d": nn.IterativeNorm3d,
    }.items()
]
