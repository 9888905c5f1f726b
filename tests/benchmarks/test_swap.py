"""The script compares a copied and a calibrated swap of the same trained network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import swap
import tables


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> dict[str, Any]:
    import json

    monkeypatch.setattr(swap, "RESULTS", tmp_path / "swap.json")
    monkeypatch.setattr("torch.set_num_threads", lambda _: None)  # As all tests have it.
    swap.main(["--data", "digits", "--seeds", "3", "--steps", "120", "--batch", "32", "--write"])
    return json.loads(swap.RESULTS.read_text("utf-8"))


def test_a_calibrated_swap_keeps_what_a_copied_one_loses(
    kept: dict[str, Any], cells: Callable[[str], list[list[str]]]
) -> None:
    assert [row["seed"] for row in kept["rows"]] == [0, 1, 2]
    assert all(row["undone"] == row["trained"] > 80 for row in kept["rows"])
    assert kept["lost"]["calibrated"] < kept["lost"]["copied"] / 2
    head, *lines = cells(tables.swap(kept))
    assert {len(line) for line in lines} == {len(head)}
    assert lines[-1][0] == "lost, median"
    assert lines[-1][2] == f"{kept['lost']['copied']:.1f} points"
