"""The table of choices of several studies."""

from __future__ import annotations

from tests.report.comparison.example import first

from normkit.report.comparison import compare
from normkit.report.comparison.schema import Comparison


def test_every_norm_has_its_values_in_each_study(pair: Comparison) -> None:
    norms = {norm["norm"]: norm["arms"] for norm in pair["choices"]["norms"]}
    assert list(norms) == ["none", "batch", "layer", "instance", "group"]
    row = first()["choices"]["rows"][1]
    assert [arm["values"] for arm in norms["batch"]] == [row["values"], row["values"]]


def test_a_norm_that_a_study_lacks_is_told(pair: Comparison) -> None:
    [instance] = [n for n in pair["choices"]["norms"] if n["norm"] == "instance"]
    here, there = instance["arms"]
    assert (here["missing"], there["values"], there["seeds"]) == (None, {}, None)
    assert there["missing"] is not None
    assert there["missing"]["zh"] == "该实验不含此归一化方法"


def test_the_best_is_the_best_of_its_own_study() -> None:
    other = first()
    other["choices"]["rows"][1]["values"]["test_error"] = {"value": 0.5, "low": 0.4, "high": 0.6}
    comparison = compare({"a": first(), "b": other})
    best = {
        norm["norm"]: [arm["marks"].get("test_error") for arm in norm["arms"]]
        for norm in comparison["choices"]["norms"]
    }
    assert best["batch"] == ["best", None]
    assert best["group"] == ["close_to_best", "best"]


def test_columns_of_any_study_are_there() -> None:
    other = first()
    extra = other["choices"]["columns"][0] | {"id": "extra"}
    other["choices"]["columns"].append(extra)
    columns = compare({"a": first(), "b": other})["choices"]["columns"]
    assert [column["id"] for column in columns][-1] == "extra"
    assert len(columns) == len(first()["choices"]["columns"]) + 1


def test_what_each_study_says_of_its_table_is_kept(pair: Comparison) -> None:
    assert [note["en"].split(":")[0] for note in pair["choices"]["notes"]] == ["first", "second"]
