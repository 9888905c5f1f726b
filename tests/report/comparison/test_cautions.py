"""What makes numbers of two studies hard to compare is said, where it concerns them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.report.comparison.example import first, verdicts

from normkit.report.comparison import compare
from normkit.report.comparison.schema import Comparison


def ids(comparison: Comparison) -> list[str]:
    return [caution["id"] for caution in comparison["cautions"]]


def beside(**parts: Any) -> Comparison:
    """The first study beside one with other seeds and some parts changed."""
    other = first()
    other["recipe"]["seeds"] = [77, 78]
    for name, value in parts.items():
        other[name] = other[name] | value if isinstance(value, dict) else value
    return compare({"a": first(), "b": other})


TOLD: dict[str, Any] = {
    "data": {"fingerprint": "1" * 64, "augmented": False},
    "source": "1" * 20,
    "code": "1" * 20,
}


def both(**parts: Any) -> Comparison:
    """Two studies that tell all that identifies them, one with some parts changed."""
    here, there = first(), first()
    for study, changes in ((here, {}), (there, parts)):
        study["data"] = study["data"] | TOLD["data"] | changes.get("data", {})
        study.update({name: changes.get(name, TOLD[name]) for name in ("source", "code")})
        study |= {name: changes[name] for name in changes if name not in TOLD}
    there["recipe"] = there["recipe"] | {"seeds": [77]}
    return compare({"a": here, "b": there})


def test_an_independent_repetition_needs_no_caution() -> None:
    assert ids(beside()) == []


def test_a_copy_shares_its_luck() -> None:
    assert ids(compare({"a": first(), "b": first()})) == ["same_seeds"]


@pytest.mark.parametrize(
    ("parts", "caution"),
    [
        ({"data": {"spec": "folder:x"}}, "other_data"),
        ({"data": {"test": 10}}, "other_data"),
        ({"model": {"name": "vgg"}}, "other_model"),
        ({"model": {"parameters": 1}}, "other_model"),
        ({"recipe": {"steps": 400, "seeds": [77]}}, "other_steps"),
        ({"recipe": {"batch": 8, "seeds": [77]}}, "other_recipe"),
        ({"recipe": {"momentum": 0.5, "seeds": [77]}}, "other_recipe"),
        ({"recipe": {"optimizer": "adamw", "seeds": [77]}}, "other_recipe"),
        ({"recipe": {"init": "default", "seeds": [77]}}, "other_recipe"),
        ({"recipe": {"schedule": "cosine", "seeds": [77]}}, "other_recipe"),
        ({"recipe": {"target": 0.5, "seeds": [77]}}, "other_target"),
        ({"recipe": {"found": False, "seeds": [77]}}, "no_comparator"),
        ({"machine": {"cpu": "another"}}, "other_machine"),
        ({"torch": "9"}, "other_versions"),
        ({"normkit": "9"}, "other_versions"),
        ({"complete": False}, "unfinished"),
    ],
)
def test_each_reason_has_its_caution(parts: dict[str, Any], caution: str) -> None:
    assert ids(beside(**parts)) == [caution]


@pytest.mark.parametrize(
    ("parts", "caution", "words"),
    [
        ({"data": {"fingerprint": "2" * 64}}, "other_images", "The images are not the same"),
        ({"data": {"augmented": True}}, "other_augmentation", "are augmented in b, not in a"),
        ({"source": "2" * 20}, "other_code", "Your own code is not the same"),
        ({"code": "2" * 20}, "other_versions", "(the code of normkit)"),
        ({"code": "2" * 20, "normkit": "9"}, "other_versions", "(normkit)"),
    ],
)
def test_what_bears_the_same_name_is_told_apart(
    parts: dict[str, Any], caution: str, words: str
) -> None:
    assert ids(both()) == []
    [found] = both(**parts)["cautions"]
    assert (found["id"], found["everywhere"]) == (caution, True)
    assert words in found["text"]["en"]


@pytest.mark.parametrize("part", [{"data": TOLD["data"]}, {"source": "2"}, {"code": "2"}])
def test_what_a_study_does_not_tell_is_no_caution(part: dict[str, Any]) -> None:
    assert ids(beside(**part)) == []


def test_images_that_differ_already_by_name_are_told_once() -> None:
    assert ids(both(data={"fingerprint": "2" * 64, "spec": "folder:x"})) == ["other_data"]


def test_the_same_images_under_another_name_need_no_caution() -> None:
    assert ids(both(data={"spec": "folder:x"})) == []


def test_the_same_seeds_are_not_shared_luck_on_other_images_or_with_other_code() -> None:
    here, there = first(), first()
    here["data"]["fingerprint"], there["data"]["fingerprint"] = "1", "2"
    assert ids(compare({"a": here, "b": there})) == ["other_images"]
    assert ids(compare({"a": first() | {"source": "1"}, "b": first() | {"source": "2"}})) == [
        "other_code"
    ]


def test_another_schedule_is_named_in_either_language() -> None:
    [caution] = beside(recipe={"schedule": "cosine", "seeds": [77]})["cautions"]
    assert "(Learning rate over the steps: constant in a, cosine in b)" in caution["text"]["en"]
    assert "（学习率随步数的变化：a 为恒定、b 为余弦）" in caution["text"]["zh"]


def test_a_schedule_that_is_not_said_is_constant() -> None:
    assert ids(beside(recipe={"schedule": "constant", "seeds": [77]})) == []


@pytest.mark.parametrize("parts", [{"machine": {"workers": 9}}, {"python": "9"}, {"budget": "9"}])
def test_what_changes_no_number_is_no_caution(parts: dict[str, Any]) -> None:
    assert ids(beside(**parts)) == []


def test_a_model_for_other_classes_is_not_another_model() -> None:
    assert ids(beside(data={"classes": ["a"]}, model={"parameters": 1})) == ["other_data"]


def test_a_caution_says_what_differs_and_where() -> None:
    [caution] = beside(recipe={"steps": 400, "seeds": [77]})["cautions"]
    assert caution["text"]["en"].startswith("Training steps: 200 in a, 400 in b.")
    assert caution["text"]["zh"].startswith("训练步数：a 为 200、b 为 400。")


def test_other_targets_concern_steps_and_seconds_and_nothing_else() -> None:
    comparison = beside(recipe={"target": 0.5, "seeds": [77]})
    columns = comparison["choices"]["columns"]
    assert [column["id"] for column in columns if column["cautions"]] == ["steps", "time"]
    concerned = {
        claim["id"] for claim in comparison["claims"] for q in claim["questions"] if q["cautions"]
    }
    assert concerned == {"convergence"}


def test_other_machines_concern_seconds_alone() -> None:
    comparison = beside(machine={"cpu": "another"})
    columns = comparison["choices"]["columns"]
    assert [column["id"] for column in columns if column["cautions"]] == ["time", "step_time"]
    [convergence] = [claim for claim in comparison["claims"] if claim["id"] == "convergence"]
    marked = {q["id"]: q["cautions"] for q in convergence["questions"]}
    assert marked["seconds"] == ["other_machine"]
    assert marked["steps"] == []


def test_a_threshold_that_no_number_stands_on_is_not_mentioned() -> None:
    assert ids(beside(recipe={"threshold": 0.1, "seeds": [77]})) == []


def test_another_way_of_measuring_marks_its_questions() -> None:
    other = first()
    other["recipe"]["seeds"] = [77]
    for verdict in verdicts(other, "cost"):
        verdict["what"] = {"en": "Seconds by another clock", "zh": "另一种计时"}
    comparison = compare({"a": first(), "b": other})
    assert ids(comparison) == ["other_measure"]
    marked = {claim["id"] for claim in comparison["claims"] for q in claim["questions"]
              if "other_measure" in q["cautions"]}  # fmt: skip
    assert marked == {"cost"}
