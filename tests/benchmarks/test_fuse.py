"""The script compares steps of a stock network with those of the same one fused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import fuse
import tables
from training_step import CASES

Run = Callable[..., dict[str, Any]]


def test_what_is_kept_is_what_the_table_tells(
    run: Run, cells: Callable[[str], list[list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuse, "CASES", [c for c in CASES if c.network == "mobilenet_v2"])
    kept = run("fuse")
    assert [row["layout"] for row in kept["rows"]] == ["channels_last", "contiguous"]
    for row in kept["rows"]:
        assert {len(losses) for losses in row["losses"].values()} == {3}
        first = [losses[0] for losses in row["losses"].values()]
        assert max(first) - min(first) < 1e-3
        # 35 norms before a ReLU6, and 10 before a sum; the other 7 feed convolutions.
        assert row["sites"] == {"norms": 52, "in one call": 45, "with residual": 10}
    head, line, other = cells(tables.fuse(kept))
    assert len(head) == len(line) == len(other)
    assert line[:3] == ["MobileNetV2", "channels-last", "4"]
    assert line[-1] == "45 of 52"
