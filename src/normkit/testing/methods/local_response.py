"""Local response normalization, from Krizhevsky, Sutskever and Hinton, 2012, section 3.3."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from normkit import nn
from normkit.testing.invariants import positions_permuted, samples_alone
from normkit.testing.problem import MAPS, NOTHING_TO_MASK, Problem, State, close

ALPHA, BETA, K = 0.5, 0.75, 2.0


def reference(x: Tensor, state: State, training: bool, size: int) -> Tensor:
    """b_i = a_i / (k + α Σ a_j²)^β, over j from max(0, i − n/2) to min(N − 1, i + n/2).

    With α / n for α, and of an even n one channel less above, as PyTorch has both.
    """
    outputs = []
    for channel in range(x.shape[1]):
        first = max(0, channel - size // 2)
        total = (x[:, first : channel + (size - 1) // 2 + 1] ** 2).sum(1)
        outputs.append(x[:, channel] / (K + ALPHA / size * total) ** BETA)
    return torch.stack(outputs, 1)


def _as_pytorch(layer: torch.nn.Module, x: Tensor, size: int) -> None:
    """PyTorch's own, which wants an axis of positions."""
    given = x if x.ndim > 2 else x.unsqueeze(2)
    expected = torch.nn.functional.local_response_norm(given, size, ALPHA, BETA, K)
    close(layer(x), expected.reshape(x.shape), 1e-9, 1e-9)


def _channels_alone(layer: torch.nn.Module, x: Tensor, size: int) -> None:
    """A channel's output does not depend on those beyond its window."""
    reach = size // 2
    other = torch.cat((x[:, : reach + 1], torch.randn_like(x[:, reach + 1 :])), 1)
    close(layer(other)[:, :1], layer(x)[:, :1], 1e-9, 1e-9, "other channels replaced")


def _shrinks(layer: torch.nn.Module, x: Tensor) -> None:
    """No value grows beyond its k⁻ᵝ-th part, the less of it is left the larger its window is."""
    y = layer(x)
    assert (y.abs() <= x.abs() * K**-BETA * (1 + 1e-9)).all()
    assert (layer(2 * x).abs() <= 2 * y.abs() * (1 + 1e-9)).all()


def problem(name: str, size: int) -> Problem:
    """The layer on maps of some number of axes."""
    return Problem(
        f"local_response-{name}-{size}",
        nn.LocalResponseNorm,
        partial(reference, size=size),
        shape=(5, 6, *MAPS[name]),
        arguments=lambda channels: {"size": size, "alpha": ALPHA, "beta": BETA, "k": K},
        not_applicable=NOTHING_TO_MASK,
        invariants={
            "as PyTorch": partial(_as_pytorch, size=size),
            "channels alone": partial(_channels_alone, size=size),
            "shrinks": _shrinks,
            "samples alone": samples_alone,
            "positions permuted": positions_permuted,
        },
    )


PROBLEMS = [
    *(problem(name, 5) for name in MAPS),
    problem("2d", 2),
    problem("1d", 20),
]
