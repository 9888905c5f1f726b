"""No normalization."""

from __future__ import annotations

from torch import Tensor

from normkit import nn
from normkit.testing.invariants import positions_permuted, samples_alone
from normkit.testing.problem import MAPS, NOTHING_TO_MASK, Problem, State, close


def reference(x: Tensor, state: State, training: bool) -> Tensor:
    """y = x."""
    return x


def _unchanged(layer: object, x: Tensor) -> None:
    assert callable(layer)
    close(layer(x), x)


PROBLEMS = [
    Problem(
        f"none-{name}",
        nn.Identity,
        reference,
        shape=(5, 6, *positions),
        not_applicable={
            **NOTHING_TO_MASK,
            "refusals": "takes any tensor, as it has nothing to do with it",
        },
        invariants={
            "unchanged": _unchanged,
            "samples alone": samples_alone,
            "positions permuted": positions_permuted,
        },
    )
    for name, positions in MAPS.items()
]
