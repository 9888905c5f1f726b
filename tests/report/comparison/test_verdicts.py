"""Verdict by verdict: do the studies agree, and why is one missing?"""

from __future__ import annotations

from typing import Any

import pytest
from tests.report.comparison.example import first, second, verdict, without_norm
from tests.report.example_parts import text
from tests.report.example_parts import verdict as made

from normkit.report.comparison import compare
from normkit.report.comparison.schema import Comparison, Row
from normkit.report.comparison.verdicts import Given, agreement


def row(comparison: Comparison, claim: str, question: str, norm: str) -> Row:
    [found] = [
        row
        for each in comparison["claims"]
        if each["id"] == claim
        for asked in each["questions"]
        if asked["id"] == question
        for row in asked["rows"]
        if row["norm"] == norm
    ]
    return found


def judged(outcome: str, measured: str = "", **other: Any) -> Given:
    """A verdict of the first study; `other` are parts of it that are not as usual."""
    verdict: Any = made("steps", text("", ""), "batch", outcome, (2.0, 1.0, 3.0)) | other
    study: Any = first()
    return Given(study, {"en": measured, "zh": measured}, verdict)


def of(given: Given, **parts: Any) -> Given:
    """The same verdict in a study with some parts changed."""
    study: Any = dict(given.study)
    for name, value in parts.items():
        study[name] = study[name] | value if isinstance(value, dict) else value
    return given._replace(study=study)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (["supported"], "alone"),
        (["supported", "supported"], "agree"),
        (["inconclusive", "inconclusive"], "agree"),
        (["refuted", "inconclusive"], "open"),
        (["supported", "inconclusive"], "open"),
        (["supported", "refuted"], "contradict"),
        (["inconclusive", "refuted", "supported"], "contradict"),
    ],
)
def test_agreement_is_of_outcomes(outcomes: list[str], expected: str) -> None:
    assert agreement([judged(outcome) for outcome in outcomes]) == expected


@pytest.mark.parametrize(
    "rule", [{"delta": 2.0}, {"claimed": "less"}, {"style": "log10"}, {"no_effect": 0.0}]
)
def test_outcomes_by_other_rules_are_not_compared(rule: dict[str, Any]) -> None:
    assert agreement([judged("supported"), judged("refuted", **rule)]) == "unlike"


@pytest.mark.parametrize("outcome", ["supported", "refuted"])
@pytest.mark.parametrize(
    "way",
    [
        {"what": text("minus over 8", "− 取自 8 张")},
        {"unit": text("nats", "奈特")},
        {"measured": "By another clock."},
    ],
)
def test_outcomes_of_other_measures_neither_agree_nor_contradict(
    way: dict[str, Any], outcome: str
) -> None:
    assert agreement([judged("supported"), judged(outcome, **way)]) == "other_measure"


OTHER_SUBJECTS = [
    {"data": {"spec": "folder:x", "fingerprint": "2" * 64}},
    {"data": {"fingerprint": "2" * 64}},
    {"data": {"augmented": True}},
    {"model": {"name": "vgg"}},
    {"source": "2" * 20},
]


@pytest.mark.parametrize("parts", OTHER_SUBJECTS)
def test_on_other_data_or_another_model_nothing_contradicts(parts: dict[str, Any]) -> None:
    told = {"data": {"fingerprint": "1" * 64, "augmented": False}, "source": "1" * 20}
    here = of(judged("supported"), **told)
    there = of(of(judged("refuted"), **told), **parts)
    assert agreement([here, of(judged("refuted"), **told)]) == "contradict"
    assert agreement([here, there]) == "opposite"


@pytest.mark.parametrize("parts", OTHER_SUBJECTS[1:3] + OTHER_SUBJECTS[4:])
def test_what_one_of_them_does_not_tell_is_taken_to_be_the_same(parts: dict[str, Any]) -> None:
    assert agreement([judged("supported"), of(judged("refuted"), **parts)]) == "contradict"


def test_the_same_images_under_another_name_are_the_same_data() -> None:
    images = {"fingerprint": "1" * 64}
    here = of(judged("supported"), data=images)
    assert agreement([here, of(judged("refuted"), data=images | {"spec": "x"})]) == "contradict"


def test_two_that_contradict_are_enough_whatever_a_third_is_of() -> None:
    third = of(judged("supported"), model={"name": "vgg"})
    assert agreement([judged("supported"), judged("refuted"), third]) == "contradict"
    assert agreement([judged("refuted"), judged("refuted"), third]) == "opposite"


def test_what_is_opposed_on_other_data_is_told_apart_from_contradictions() -> None:
    other = second()
    other["data"] |= {"spec": "folder:letters"}
    comparison = compare({"a": first(), "b": other})
    [found] = comparison["opposites"]
    assert comparison["contradictions"] == []
    assert (found["claim"], found["question"], found["norm"]) == ("convergence", "steps", "batch")
    assert found["text"]["en"].endswith(", `batch`: supported in a, refuted in b")


def test_every_verdict_of_any_study_has_a_row(pair: Comparison) -> None:
    rows = {
        (claim["id"], question["id"], row["norm"])
        for claim in pair["claims"]
        for question in claim["questions"]
        for row in question["rows"]
    }
    assert rows == {
        (claim["id"], each["id"], each["norm"])
        for document in (first(), second())
        for claim in document["claims"]
        for each in claim["verdicts"]
    }


def test_a_row_holds_what_each_study_found(pair: Comparison) -> None:
    cells = row(pair, "convergence", "steps", "batch")["cells"]
    assert cells[0]["verdict"] == verdict(first(), "convergence", "steps", "batch")
    assert cells[1]["verdict"] == verdict(second(), "convergence", "steps", "batch")


def test_contradictions_are_told_in_words(pair: Comparison) -> None:
    [found] = pair["contradictions"]
    assert (found["claim"], found["question"], found["norm"]) == ("convergence", "steps", "batch")
    assert found["text"]["en"].endswith(", `batch`: supported in first, refuted in second")
    assert found["text"]["zh"].endswith("在 first 中成立，在 second 中不成立")


def test_more_studies_of_one_mind_are_listed_together(three: Comparison) -> None:
    [found] = three["contradictions"]
    assert found["text"]["en"].endswith("supported in first and third, refuted in second")
    assert found["text"]["zh"].endswith("在 first、third 中成立，在 second 中不成立")


def test_a_contradiction_says_which_side_is_exploratory() -> None:
    other = second()
    verdict(other, "convergence", "steps", "batch")["exploratory"] = True
    [found] = compare({"a": first(), "b": other})["contradictions"]
    assert "supported in a, refuted in b (exploratory)" in found["text"]["en"]
    assert found["text"]["zh"].endswith("在 a 中成立，在 b（探索性）中不成立")


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (("convergence", "steps", "instance"), "this norm is not in that study"),
        (("gradients", "slope", "batch"), "this claim is not in that study"),
    ],
)
def test_what_a_study_did_not_measure_has_its_reason(
    pair: Comparison, place: tuple[str, str, str], reason: str
) -> None:
    found = row(pair, *place)
    assert found["agreement"] == "alone"
    assert found["cells"][0]["missing"] is None
    assert found["cells"][1]["verdict"] is None
    missing = found["cells"][1]["missing"]
    assert missing is not None
    assert missing["en"] == reason


def test_a_question_that_was_not_asked_of_a_norm_is_told() -> None:
    other = first()
    for claim in other["claims"]:
        if claim["id"] == "convergence":
            kept = [v for v in claim["verdicts"] if (v["id"], v["norm"]) != ("steps", "layer")]
            claim["verdicts"] = [v for v in kept if v["id"] != "seconds"]
    comparison = compare({"a": first(), "b": other | {"dropped": []}})
    asked = row(comparison, "convergence", "steps", "layer")["cells"][1]["missing"]
    assert asked is not None
    assert asked["en"] == "that study did not ask this of the norm"
    never = row(comparison, "convergence", "seconds", "batch")["cells"][1]["missing"]
    assert never is not None
    assert never["en"] == "this question is not in that study"


def test_what_was_dropped_and_what_is_unfinished_may_be_the_reason() -> None:
    other = first()
    without_norm(other, "group")
    other["complete"] = False
    missing = row(compare({"a": first(), "b": other}), "convergence", "steps", "group")["cells"][1]
    assert missing["missing"] is not None
    assert missing["missing"]["en"] == (
        "this norm is not in that study; some trials missing; see what it dropped to fit its budget"
    )


def test_primary_questions_come_first(pair: Comparison) -> None:
    for claim in pair["claims"]:
        primary = [question["primary"] for question in claim["questions"]]
        assert primary == sorted(primary, reverse=True)
