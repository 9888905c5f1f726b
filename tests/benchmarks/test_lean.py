"""The script tells what memory, time and exactness come to, whatever `nk.lean` does."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

import lean
import normkit as nk
import tables
from networks import LAYERS
from networks.training import LAYOUTS

SHORT = torch.float8_e5m2
ROUNDED = partial(
    torch.autograd.graph.saved_tensors_hooks,
    lambda tensor: tensor.to(SHORT) if tensor.dtype == torch.float32 else tensor,
    lambda tensor: tensor.float() if tensor.dtype == SHORT else tensor,
)
"""Keeps what is saved in eight bits: smaller, even where two layers save the same; not exact."""

Run = Callable[..., dict[str, Any]]


def small(_: str, layers: str, layout: str) -> nn.Module:
    torch.manual_seed(0)
    norm = LAYERS[layers]
    model = nn.Sequential(
        *(nn.Conv2d(3, 8, 3, bias=False), norm(8, act="relu")),
        *(nn.Conv2d(8, 16, 3, bias=False), norm(16, act="relu")),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 1000)),
    )
    return model.to(memory_format=LAYOUTS[layout])


@pytest.fixture(autouse=True)
def _smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lean, "network", small)


def test_an_arm_that_does_nothing_holds_and_computes_the_same(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nk, "lean", nullcontext, raising=False)
    pytorch, normkit, inside, *others = run("lean")["rows"]
    assert len(others) == 3  # The other layout.
    assert (pytorch["bytes_ratio"], pytorch["from_pytorch"]) == (1, 0)
    assert inside["bytes"] == normkit["bytes"]
    assert inside["from_pytorch"] == normkit["from_pytorch"] < 1e-3
    assert [row["bytes_target"] for row in (pytorch, normkit, inside)] == [None, None, 0.56]
    assert [row["time_target"] for row in (pytorch, normkit, inside)] == [None, None, 1.05]


def test_what_is_saved_and_what_it_costs_in_exactness_are_seen(
    run: Run, monkeypatch: pytest.MonkeyPatch, cells: Callable[[str], list[list[str]]]
) -> None:
    monkeypatch.setattr(nk, "lean", ROUNDED, raising=False)
    kept = run("lean")
    _, normkit, inside = kept["rows"][:3]
    assert inside["bytes"] < normkit["bytes"]
    assert inside["from_float64"] > 10 * normkit["from_float64"]
    head, first, *_, last = cells(tables.lean(kept))
    assert len(head) == len(last)
    assert last[3] == "normkit, `lean()`"
    assert last[5].endswith("(target 0.56)")
    assert first[8] == "–"


def test_differences_are_relative_and_the_largest_counts() -> None:
    true = {"a": torch.tensor([3.0, 4.0]), "b": torch.tensor([100.0])}
    off = {"a": torch.tensor([3.0, 4.5]), "b": torch.tensor([101.0])}
    assert lean.difference(off, true) == pytest.approx(0.1)
