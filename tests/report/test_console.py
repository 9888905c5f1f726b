"""Plain text for a terminal, as wide as asked."""

from __future__ import annotations

import pytest

from normkit.report.console import LEAST, clean, printed, titled_table, width_or_terminals


def test_lines_are_no_wider_than_asked_and_end_without_blanks() -> None:
    lines = printed([clean("word " * 40)], 50).splitlines()
    assert len(lines) > 1
    assert all(len(line) <= 50 and line == line.rstrip() for line in lines)


def test_a_table_has_its_title_on_the_left() -> None:
    table = titled_table("What differs")
    table.add_column("Condition of a study")
    table.add_row("Data")
    first, second, *_ = printed([table], 60).splitlines()
    assert (first, second) == ("What differs", "Condition of a study")


def test_control_characters_are_left_out_and_line_ends_kept() -> None:
    assert clean("a\x1b[1mb\x07\nc\u202f1").plain == "a[1mb\nc\u202f1"


def test_markup_is_no_markup() -> None:
    assert printed([clean("[bold]x[/bold]")], 60) == "[bold]x[/bold]\n"


@pytest.mark.parametrize(("columns", "width"), [("90", 90), ("10", LEAST)])
def test_without_a_width_it_is_the_terminals(
    monkeypatch: pytest.MonkeyPatch, columns: str, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert width_or_terminals(None) == width


def test_too_narrow_is_an_error() -> None:
    with pytest.raises(ValueError, match=f"width must be at least {LEAST} columns, got 9"):
        width_or_terminals(9)
