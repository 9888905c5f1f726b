"""Before and after each norm, moment by moment, as rows that a figure draws."""

from __future__ import annotations

from typing import Any

from normkit.study.lesson.along_training import figures

HISTOGRAM = {"low": 0.0, "high": 2.0, "shares": [0.25, 0.75]}
ONE = {"mean": 1.0, "deviation": 1.0, "histogram": HISTOGRAM}
FOUND = {"before": ONE, "after": ONE}


class Trial:
    def __init__(self, **moments: Any) -> None:
        self.probes = {"distributions": moments}


def at(found: Any) -> dict[str, Any]:
    return {"layer": 2, "found": found}


def rows(**records: Any) -> list[dict[str, Any]]:
    [figure] = figures(records)
    return figure["rows"]


def test_a_histogram_is_its_bins_in_per_cent() -> None:
    first, second, *_ = rows(batch=Trial(**{"0": at(FOUND)}))
    assert (first["value"], first["share"]) == (0.5, 25.0)
    assert (second["value"], second["share"]) == (1.5, 75.0)


def test_panels_come_in_pairs_and_moments_in_order() -> None:
    told = rows(none=Trial(**{"0": at(FOUND), "4": at(FOUND)}), batch=Trial(**{"0": at(FOUND)}))
    panels = list(dict.fromkeys((row["panel"], row["step"]) for row in told))
    assert panels == [
        ("none before", 0), ("none before", 4), ("none after", 0), ("none after", 4),
        ("batch before", 0), ("batch after", 0),
    ]  # fmt: skip


def test_the_panels_of_none_are_explained_where_they_are_drawn() -> None:
    for norms in (("none", "batch"), ("batch",)):
        [figure] = figures({norm: Trial(**{"0": at(FOUND)}) for norm in norms})
        assert ("`none` changes nothing" in figure["caption"]["en"]) is ("none" in norms)
        assert ("不作任何改变" in figure["caption"]["zh"]) is ("none" in norms)


def test_a_moment_without_finite_values_is_left_out() -> None:
    told = rows(batch=Trial(**{"0": at(FOUND), "4": at(None)}))
    assert {row["step"] for row in told} == {0}


def test_a_norm_whose_trial_failed_has_no_panels() -> None:
    assert {row["norm"] for row in rows(none=None, batch=Trial(**{"0": at(FOUND)}))} == {"batch"}


def test_without_any_values_there_is_no_figure() -> None:
    assert figures({"batch": None}) == []
