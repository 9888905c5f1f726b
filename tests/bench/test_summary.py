"""Geometric means over the shapes, and where normkit does worst."""

from __future__ import annotations

import pytest

from normkit.bench.document import Row
from normkit.bench.summary import over_normkit, summary


def row(shape: int, contestant: str, median: float | None, layout: str = "contiguous") -> Row:
    return Row(
        method="batch",
        layout=layout,
        dtype="float32",
        shape=[2, shape, 1, 1],
        direction="training",
        residual=False,
        act="relu",
        contestant=contestant,
        how="",
        error=None,
        reason=None if median else "error 3e-1",
        rounds=1,
        passes=8,
        median=median,
        q25=median,
        q75=median,
        eager_over=None,
        in_place_over=None,
        times_floor=None,
    )


ROWS = [
    *(row(1, "floor", 1.0), row(1, "eager", 8.0), row(1, "onednn", 3.0), row(1, "normkit", 2.0)),
    *(row(2, "floor", 1.0), row(2, "eager", 4.0), row(2, "onednn", None), row(2, "normkit", 8.0)),
]


def test_means_are_geometric_and_over_what_was_timed() -> None:
    [group] = summary(ROWS)
    assert group["shapes"] == 2
    assert group["over_normkit"] == pytest.approx({"eager": 2**0.5, "onednn": 1.5})
    assert group["times_floor"] == pytest.approx(4.0)


def test_the_means_of_all_cases_are_over_every_group() -> None:
    other = [row(1, "eager", 1.0, "channels_last"), row(1, "normkit", 2.0, "channels_last")]
    assert over_normkit([*ROWS, *other]) == pytest.approx({"eager": 1.0, "onednn": 1.5})


def test_the_worst_is_told_with_what_beats_it() -> None:
    [group] = summary(ROWS)
    assert group["worst"] == {"shape": [2, 2, 1, 1], "contestant": "eager", "ratio": 0.5}


def test_groups_are_told_apart() -> None:
    groups = summary([*ROWS, row(1, "floor", 1.0, "channels_last")])
    assert [group["layout"] for group in groups] == ["contiguous", "channels_last"]


def test_where_normkit_was_not_timed_nothing_is_compared() -> None:
    [group] = summary([row(1, "floor", 1.0), row(1, "eager", 8.0), row(1, "normkit", None)])
    assert (group["over_normkit"], group["worst"], group["times_floor"]) == ({}, None, None)
