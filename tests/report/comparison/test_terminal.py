"""The comparison as plain text for a terminal."""

from __future__ import annotations

import pytest
from rich.cells import cell_len
from tests.report.comparison.example import first, verdict

from normkit.report.comparison import compare, text
from normkit.report.comparison.schema import Comparison


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("width", [44, 60, 80, 120, 200])
def test_no_line_is_wider_than_asked_and_no_number_is_lost(
    three: Comparison, lang: str, width: int
) -> None:
    shown = text(three, lang, width)
    assert max(map(cell_len, shown.splitlines())) <= width
    joined = "".join(shown.split())
    for number in ("×3.1", "[2.5,3.9]", "×0.9", "[0.7,1.1]", "85.00%", "81.00%", "0–7", "400"):
        assert number in joined


@pytest.mark.parametrize(
    "said",
    [
        "3 studies side by side: first, second, third\n\nVerdicts that contradict each other: ",
        "How the studies differ is described, not judged",
        "- The data differ.",
        "- In third some trials are missing: see the failures told there.",
        "- Training steps: 200 in first, 200 in second, 400 in third.",
        "\nModel: plain\n",
        "### Faster convergence (headline claim)",
        "! other targets\n! other machines",
        "not measured (this norm is not in that study)",
        "judged by other rules",
        "Claim holds where < ×0.5",
        "first: Test error at equal budget",
    ],
)
def test_what_a_reader_must_learn_is_there(three: Comparison, said: str) -> None:
    assert said in text(three, width=300)


def test_a_verdict_that_was_measured_in_another_way_says_of_what_it_is() -> None:
    other = first()
    verdict(other, "convergence", "steps", "batch")["what"] = {"en": "Half-way", "zh": "一半"}
    shown = text(compare({"a": first(), "b": other}), width=300)
    assert "measured in another way" in shown
    assert "Half-way" in shown


def test_chinese_output_has_chinese_words(three: Comparison) -> None:
    shown = text(three, "zh", 120)
    assert "比较数值之前" in shown
    assert "supported" not in shown


def test_a_document_cannot_send_control_characters() -> None:
    other = first()
    other["data"]["spec"] = "folder:\x1b[31mred\x07"
    shown = text(compare({"a\x1b[1m": first(), "b": other}), width=100)
    assert "\x1b" not in shown
    assert "\x07" not in shown


def test_studies_that_do_not_differ_say_so() -> None:
    shown = text(compare({"a": first(), "b": first()}), width=100)
    assert "Nothing that the studies tell of themselves differs." in shown


def test_studies_without_verdicts_still_read() -> None:
    empty = first() | {"claims": []}
    empty["choices"] = empty["choices"] | {"rows": []}
    assert "No study has a verdict yet." in text(compare({"a": empty, "b": empty}), width=100)


@pytest.mark.parametrize(("lang", "width"), [("de", 80), ("en", 20)])
def test_an_unknown_language_and_too_narrow_a_terminal_are_errors(
    pair: Comparison, lang: str, width: int
) -> None:
    with pytest.raises(ValueError, match="must be"):
        text(pair, lang, width)
