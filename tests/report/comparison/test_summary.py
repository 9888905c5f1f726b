"""A comparison in a few sentences."""

from __future__ import annotations

import pytest
from tests.report.comparison.example import first, second, verdict
from tests.report.example_parts import text

from normkit.report.comparison import compare
from normkit.report.comparison.schema import Comparison
from normkit.report.comparison.summary import counted, sentence
from normkit.report.words import Words


def test_contradictions_are_named(pair: Comparison) -> None:
    said = sentence(pair, Words("en"))
    assert said.startswith("Verdicts that contradict each other: Faster convergence (")
    assert said.endswith("`batch`: supported in first, refuted in second.")


@pytest.mark.parametrize(("lang", "words"), [("en", "No verdict is supported"), ("zh", "没有任何")])
def test_that_there_are_none_is_said(lang: str, words: str) -> None:
    comparison = compare({"a": first(), "b": first()})
    assert sentence(comparison, Words(lang)).startswith(words)


def test_verdicts_are_counted_by_how_they_agree(pair: Comparison) -> None:
    counts = pair["counts"]
    assert counted(pair, Words("en")) == (
        f"Verdicts measured in more than one study: {counts['agree'] + 2} "
        f"(same outcome: {counts['agree']}; decided in one, open in another: 1; "
        f"contradicting: 1). Verdicts measured in a single study: {counts['alone']}."
    )


@pytest.mark.parametrize(
    ("lang", "words", "never"),
    [
        ("en", "Verdicts that come out opposite on other data or another model", "contradict "),
        ("zh", "在不同的数据或模型上结果相反的结论", "相互矛盾"),
    ],
)
def test_on_other_data_nothing_is_said_to_contradict(lang: str, words: str, never: str) -> None:
    other = second()
    other["data"] |= {"spec": "folder:letters"}
    comparison = compare({"a": first(), "b": other})
    said = sentence(comparison, Words(lang))
    assert said.startswith(words)
    assert never not in said
    assert "opposite, on other data or another model: 1" in counted(comparison, Words("en"))


def test_another_measure_is_counted_apart() -> None:
    other = second()
    verdict(other, "convergence", "steps", "batch")["what"] = text("Steps to half", "到一半的步数")
    comparison = compare({"a": first(), "b": other})
    assert sentence(comparison, Words("en")).startswith("No verdict is supported in one study")
    assert "measured in another way: 1" in counted(comparison, Words("en"))


def test_other_rules_are_counted_where_there_are_any(three: Comparison) -> None:
    assert f"judged by other rules: {three['counts']['unlike']}" in counted(three, Words("en"))
