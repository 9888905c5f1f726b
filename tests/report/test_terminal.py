"""The report as plain text for a terminal."""

from __future__ import annotations

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


def test_what_is_missing_is_said(document: dict[str, Any]) -> None:
    document["complete"] = False
    document["recipe"]["found"] = False
    shown = text(document, width=200)
    assert "This study is not finished." in shown
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


def test_an_unknown_language_is_an_error(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="lang must be"):
        text(document, "de")
