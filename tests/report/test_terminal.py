"""The report as plain text for a terminal."""

from __future__ import annotations

import re
from typing import Any

import pytest
from rich.cells import cell_len

from normkit.report import text


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("width", [44, 60, 80, 120, 200])
def test_no_line_is_wider_than_asked_and_no_number_is_lost(
    document: dict[str, Any], lang: str, width: int
) -> None:
    shown = text(document, lang, width)
    assert max(map(cell_len, shown.splitlines())) <= width
    joined = "".join(shown.split())
    for number in ("×3.1", "[2.5,3.9]", "[2×10⁻⁶,7×10⁻⁶]", "−0.030", "3.38", "1.7"):
        assert number in joined
    for norm in ("batch", "layer", "instance", "group"):
        assert norm in shown


@pytest.mark.parametrize(
    ("lang", "title"), [("en", "What this study advises"), ("zh", "本实验的建议")]
)
def test_advice_follows_the_tables(document: dict[str, Any], lang: str, title: str) -> None:
    shown = text(document, lang, 100)
    assert shown.index(title) > shown.index("★")
    assert "1.7 % [1.4, 2.0]" in shown[shown.index(title) :]
    del document["advice"]
    assert title not in text(document, lang, 100)


def test_outcomes_are_words_and_signs(document: dict[str, Any]) -> None:
    shown = text(document, width=120)
    for outcome in ("✓ supported", "✗ refuted", "? inconclusive †", "★ 1.7 %", "≈ 2.4 %"):
        assert outcome in shown


def test_a_wide_terminal_has_a_column_for_each_norm(document: dict[str, Any]) -> None:
    head = next(line for line in text(document, width=120).splitlines() if line.startswith("Claim"))
    assert head.split() == ["Claim", "batch", "layer", "instance", "group"]


def test_chinese_output_has_chinese_words(document: dict[str, Any]) -> None:
    shown = text(document, "zh", 120)
    assert "结论一览" in shown
    assert "supported" not in shown


def test_what_was_not_measured_is_said_with_the_reason(document: dict[str, Any]) -> None:
    verdict = document["claims"][0]["verdicts"][0]
    verdict |= {"outcome": "inconclusive", "effect": None, "low": None, "high": None,
                "note": {"en": "it cannot be set", "zh": "无法设定"}}  # fmt: skip
    assert "it cannot be set" in text(document, width=300)
    assert "无法设定" in text(document, "zh", 300)


def test_what_is_missing_is_said(document: dict[str, Any]) -> None:
    document["complete"] = False
    document["recipe"]["found"] = False
    shown = text(document, width=200)
    assert "Some trials are missing." in shown
    assert "The comparator never trained." in shown
    assert "out of memory" in shown


def test_a_document_cannot_send_control_characters(document: dict[str, Any]) -> None:
    document["title"]["en"] = "title \x1b[31m red \x07 [bold]bold[/bold]"
    shown = text(document, width=80)
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "[bold]bold[/bold]" in shown


def test_a_study_without_verdicts_or_choices_still_reads(document: dict[str, Any]) -> None:
    document["claims"] = []
    document["choices"]["rows"] = []
    assert "No claim has a verdict yet." in text(document, width=80)


def test_too_narrow_a_terminal_is_an_error(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="width must be at least 44 columns, got 20"):
        text(document, width=20)


def test_without_a_width_it_takes_the_terminals(
    document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "64")
    assert text(document) == text(document, width=64)


def test_the_confidence_of_the_intervals_is_told_below_the_verdicts(
    document: dict[str, Any],
) -> None:
    told = "Confidence of the intervals: 95 %; for batch in the headline claims 95–98.3 % (Holm)"
    assert told in text(document, width=120)


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("width", [44, 100])
def test_in_full_no_line_is_wider_than_asked(
    document: dict[str, Any], lang: str, width: int
) -> None:
    assert max(map(cell_len, text(document, lang, width, full=True).splitlines())) <= width


def test_in_full_it_begins_as_the_short_text_does(document: dict[str, Any]) -> None:
    document["failures"] = []
    assert text(document, full=True).startswith(text(document).rstrip("\n"))


@pytest.mark.parametrize(
    "said",
    [
        "## Faster convergence (headline claim)",
        "### Steps to the common target: ratio\nClaim holds where > ×1.25\n"
        "  batch: supported; ×3.1 [2.5, 3.9], 98.3 % interval; 8 seeds; "
        "Smallest detectable effect: ×1.3\n",
        "### The same, both at the rate of none (secondary)",
        "  batch: refuted; ×1.05 [0.9, 1.22], 95 % interval; 8 seeds",
        "  batch: supported; ×12.6 [6.31, 25.1], 95 % interval; 10^1.10 [0.80, 1.40]; 8 seeds",
        "Note: `instance` never reached the target in 2 of 3 seeds.",
        "Why this one: With PyTorch's default initialisation",
        "Optimizer: sgd (momentum 0.9)",
        "Learning rate of each norm: none 0.03, batch 0.1, layer 0.03, instance 0.03, group –",
        "Notes: Split by class, 64 / 16 / 20 %, with a fixed seed.",
        "### Left out\n  - initialisation: gains 0.03 and 30",
        "### Failures\n  - instance, rate 3, seed 4: out of memory",
        "### Skipped files\n  - broken/0001.png: not an image",
    ],
)
def test_in_full_nothing_is_left_out(document: dict[str, Any], said: str) -> None:
    assert said in text(document, width=1000, full=True)
    assert said not in text(document, width=1000)


def test_in_full_every_verdict_of_a_document_has_a_line(document: dict[str, Any]) -> None:
    lines = text(document, width=1000, full=True).splitlines()
    found = [line for line in lines if line.startswith("  ") and " seeds; " in line + "; "]
    assert len(found) == sum(len(claim["verdicts"]) for claim in document["claims"])


def test_in_full_what_did_not_happen_is_said(document: dict[str, Any]) -> None:
    document |= {"dropped": [], "failures": []}
    document["claims"][0]["verdicts"] = []
    shown = text(document, width=100, full=True)
    for said in ("Nothing was left out.", "No trial failed.", "This claim has no verdict."):
        assert said in shown


def test_in_full_chinese_has_chinese_words_and_signs(document: dict[str, Any]) -> None:
    shown = text(document, "zh", 1000, full=True)
    assert "×3.1 [2.5, 3.9]\uff0c98.3 % 置信区间\uff1b8 个随机种子" in shown
    assert "### 基准方案" in shown
    assert not re.search(r"[\u4e00-\u9fff] ?[,;:](?!\w)", shown)


def test_an_unknown_language_is_an_error(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="lang must be"):
        text(document, "de")
