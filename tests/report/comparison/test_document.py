"""The comparison document: as declared, plain JSON, and refused where a study is none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.report.comparison.example import first, second

from normkit.report import ResultsError
from normkit.report.comparison import ComparisonError, compare
from normkit.report.comparison.schema import Comparison
from normkit.report.results import conforms


def test_it_is_what_the_schema_declares(three: Comparison) -> None:
    conforms(three, Comparison, "comparison")


def test_it_is_plain_json(three: Comparison) -> None:
    assert json.loads(json.dumps(three, allow_nan=False)) == three


def test_the_same_studies_give_the_same_document(pair: Comparison) -> None:
    assert compare({"first": first(), "second": second()}) == pair


def test_studies_keep_their_order_and_their_names(three: Comparison) -> None:
    assert [study["name"] for study in three["studies"]] == ["first", "second", "third"]
    assert [study["complete"] for study in three["studies"]] == [True, True, False]
    for fact in three["facts"]:
        assert len(fact["values"]) == 3


def test_every_verdict_is_counted_once(three: Comparison) -> None:
    rows = [r for claim in three["claims"] for q in claim["questions"] for r in q["rows"]]
    assert sum(three["counts"].values()) == len(rows)
    assert three["counts"]["contradict"] == len(three["contradictions"]) == 1
    assert three["counts"]["unlike"] > 0


def test_every_caution_that_is_named_is_there(three: Comparison) -> None:
    known = {caution["id"] for caution in three["cautions"]}
    named = {c for claim in three["claims"] for q in claim["questions"] for c in q["cautions"]}
    named |= {c for column in three["choices"]["columns"] for c in column["cautions"]}
    assert named <= known
    assert {c["id"] for c in three["cautions"] if not c["everywhere"]} == named


@pytest.mark.parametrize("bad", [{}, {"schema": 99}, {"schema": 1}, []])
def test_a_study_that_is_none_is_named(bad: Any) -> None:
    with pytest.raises(ResultsError, match=r"^broken: results"):
        compare({"first": first(), "broken": bad})


def test_one_study_is_too_few() -> None:
    with pytest.raises(ComparisonError, match="two studies or more, got 1"):
        compare({"first": first()})


def test_studies_without_verdicts_or_choices_compare() -> None:
    empty = first() | {"claims": []}
    empty["choices"] = empty["choices"] | {"columns": [], "rows": []}
    comparison = compare({"a": empty, "b": empty})
    assert (comparison["claims"], comparison["choices"]["norms"]) == ([], [])
