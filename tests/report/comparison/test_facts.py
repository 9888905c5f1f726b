"""What studies tell of themselves: what differs, and what is the same."""

from __future__ import annotations

from typing import Any

import pytest
from tests.report.comparison.example import first

from normkit.report.comparison import compare
from normkit.report.comparison.facts import ranges
from normkit.report.comparison.schema import Comparison, Fact


def fact(comparison: Comparison, name: str) -> Fact:
    [found] = [each for each in comparison["facts"] if each["id"] == name]
    return found


def changed(**parts: Any) -> Comparison:
    """The first study beside itself with some parts changed."""
    other = first()
    for name, value in parts.items():
        other[name] = other[name] | value if isinstance(value, dict) else value
    return compare({"a": first(), "b": other})


def test_nothing_differs_between_a_study_and_its_copy() -> None:
    comparison = changed()
    assert [each["id"] for each in comparison["facts"] if not each["same"]] == []
    assert len(comparison["facts"]) > 20


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        ({"data": {"spec": "folder:x"}}, "data"),
        ({"data": {"train": 3}}, "split"),
        ({"data": {"classes": ["a", "b"]}}, "classes"),
        ({"data": {"image_size": [9, 8]}}, "image"),
        ({"model": {"name": "vgg"}}, "model"),
        ({"model": {"depth": 4}}, "depth"),
        ({"model": {"parameters": 5}}, "parameters"),
        ({"recipe": {"init": "default"}}, "init"),
        ({"recipe": {"depth": 4}}, "base_depth"),
        ({"recipe": {"steps": 400}}, "steps"),
        ({"recipe": {"momentum": None}}, "optimizer"),
        ({"recipe": {"optimizer": "adamw"}}, "optimizer"),
        ({"recipe": {"batch": 8}}, "batch"),
        ({"recipe": {"schedule": "cosine"}}, "schedule"),
        ({"recipe": {"rates": {"none": 0.3}}}, "rates"),
        ({"model": {"width": 3}}, "width"),
        ({"recipe": {"target": 0.9}}, "target"),
        ({"recipe": {"found": False}}, "found"),
        ({"recipe": {"seeds": [9]}}, "seeds_judged"),
        ({"budget": "quick"}, "budget"),
        ({"dropped": []}, "dropped"),
        ({"failures": []}, "failures"),
        ({"complete": False}, "complete"),
        ({"normkit": "9"}, "normkit"),
        ({"torch": "9"}, "torch"),
        ({"python": "9"}, "Python"),
        ({"machine": {"workers": 1}}, "machine"),
    ],
)
def test_each_thing_that_differs_is_found_alone(parts: dict[str, Any], name: str) -> None:
    comparison = changed(**parts)
    assert [each["id"] for each in comparison["facts"] if not each["same"]] == [name]
    values = fact(comparison, name)["values"]
    assert values[0] != values[1]


def test_numbers_that_look_alike_are_still_told_apart() -> None:
    assert fact(changed(recipe={"target": 0.85 + 1e-9}), "target")["same"] is False


def test_norms_and_claims_are_those_of_the_study(pair: Comparison) -> None:
    assert [value["en"] for value in fact(pair, "norms")["values"]] == [
        "none, batch, layer, instance, group",
        "none, batch, layer, group",
    ]
    assert "gradients" not in fact(pair, "claims")["values"][1]["en"]


def test_norms_in_another_order_are_the_same_norms() -> None:
    other = first()
    other["choices"]["rows"].reverse()
    assert fact(compare({"a": first(), "b": other}), "norms")["same"]


def test_what_a_study_does_not_tell_is_a_dash() -> None:
    other = first()
    del other["recipe"]["target"]
    values = fact(compare({"a": first(), "b": other}), "target")["values"]
    assert [value["en"] for value in values] == ["85.00 %", "–"]


IDENTITY = [
    ({"data": {"fingerprint": "1" * 64}}, {"data": {"fingerprint": "2" * 64}}, "fingerprint"),
    ({"data": {"augmented": True}}, {"data": {"augmented": False}}, "augmented"),
    ({"source": "1" * 20}, {"source": "2" * 20}, "own_code"),
    ({"code": "1" * 20}, {"code": "2" * 20}, "normkit_code"),
]


def with_parts(parts: dict[str, Any]) -> dict[str, Any]:
    document = first()
    for name, value in parts.items():
        document[name] = document[name] | value if isinstance(value, dict) else value
    return document


@pytest.mark.parametrize(("here", "there", "name"), IDENTITY)
def test_what_bears_the_same_name_is_told_apart(
    here: dict[str, Any], there: dict[str, Any], name: str
) -> None:
    comparison = compare({"a": with_parts(here), "b": with_parts(there)})
    assert [each["id"] for each in comparison["facts"] if not each["same"]] == [name]
    one, other = fact(comparison, name)["values"]
    assert one != other
    alike = compare({"a": with_parts(here), "b": with_parts(here)})
    assert fact(alike, name)["same"]


@pytest.mark.parametrize(("here", "there", "name"), IDENTITY)
def test_what_one_study_does_not_tell_is_neither_the_same_nor_another(
    here: dict[str, Any], there: dict[str, Any], name: str
) -> None:
    comparison = compare({"a": with_parts(here), "b": first()})
    assert name not in [each["id"] for each in comparison["facts"]]
    three = compare({"a": with_parts(here), "b": first(), "c": with_parts(there)})
    assert not fact(three, name)["same"]
    assert fact(three, name)["values"][1]["en"] == "–"


def test_a_schedule_that_is_not_said_is_constant() -> None:
    comparison = changed(recipe={"schedule": "constant"})
    assert fact(comparison, "schedule")["same"]
    assert fact(comparison, "schedule")["values"][0]["en"] == "constant"


def test_many_classes_are_counted_not_listed() -> None:
    told = fact(changed(data={"classes": [f"c{i}" for i in range(90)]}), "classes")["values"][1]
    assert told["en"].startswith("90: c0, c1,")
    assert "and 78 more" in told["en"]
    assert "另有 78 类" in told["zh"]


@pytest.mark.parametrize(
    ("numbers", "told"), [([], "–"), ([4], "4"), ([3, 1, 2], "1–3"), ([1, 5, 6], "1, 5–6")]
)
def test_runs_of_seeds_are_told_in_short(numbers: list[int], told: str) -> None:
    assert ranges(numbers) == told
