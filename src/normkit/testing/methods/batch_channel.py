"""Batch-channel normalization, from Qiao et al., 2019, equations 9 and 10."""

from __future__ import annotations

import torch
from torch import Tensor

from normkit import nn
from normkit.testing.invariants import ignores_shift
from normkit.testing.methods import batch
from normkit.testing.problem import MAPS, Problem, State, close, per_channel

EPS = 1e-5
GROUPS = 3


def reference(x: Tensor, state: State, training: bool) -> Tensor:
    """Over the batch with γ_b and β_b, then over the groups of each sample with γ and β."""
    renamed = {
        **state,
        "weight": state["batch_weight"],
        "bias": state["batch_bias"],
    }
    z = batch.reference(x, renamed, training)
    grouped = z.reshape(len(z), GROUPS, -1)
    mean = grouped.mean(2, keepdim=True)
    variance = ((grouped - mean) ** 2).mean(2, keepdim=True)
    y = ((grouped - mean) / (variance + EPS) ** 0.5).reshape(x.shape)
    return per_channel(state["weight"], x) * y + per_channel(state["bias"], x)


def refuses(shape: tuple[int, ...], training: bool) -> bool:
    """One value per channel in training, or per group."""
    one_position = all(size == 1 for size in shape[2:])
    return batch.refuses(shape, training) or (one_position and shape[1] == GROUPS)


def _groups_centred(layer: torch.nn.Module, x: Tensor) -> None:
    """The last step is group normalization: each group of each sample has mean 0."""
    mean = layer(x).reshape(len(x), GROUPS, -1).mean(2)
    close(mean, torch.zeros_like(mean), 0, 1e-7)


def _two_layers(layer: torch.nn.Module, x: Tensor) -> None:
    """It is one layer after the other."""
    first = torch.nn.functional.batch_norm(x, None, None, training=True, eps=EPS)
    close(layer(x), torch.nn.functional.group_norm(first, GROUPS, eps=EPS), 1e-7, 1e-7)


PROBLEMS = [
    Problem(
        f"batch_channel-{name}",
        nn.BatchChannelNorm,
        reference,
        shape=(5, 6, *positions),
        arguments=lambda channels: {"num_groups": GROUPS, "num_channels": channels},
        statistics=batch.statistics,
        refuses=refuses,
        invariants={
            "groups centred": _groups_centred,
            "one after the other": _two_layers,
            "ignores a shift per channel": ignores_shift("C"),
        },
        channels=(3, 6),
    )
    for name, positions in MAPS.items()
]
