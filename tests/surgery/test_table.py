"""Tables in plain text."""

from __future__ import annotations

import pytest

from normkit.surgery.table import text_table


def test_columns_are_as_wide_as_their_longest_cell() -> None:
    assert text_table(("a", "longer"), [("wide cell", "1"), ("", "22")]).splitlines() == [
        "a          longer",
        "---------  ------",
        "wide cell  1",
        "           22",
    ]


def test_no_line_ends_with_a_space() -> None:
    table = text_table(("one", "two"), [("cell", ""), ("", "")])
    assert all(line == line.rstrip() for line in table.splitlines())


def test_without_rows_the_headings_stay() -> None:
    assert text_table(("one", "two"), []) == "one  two\n---  ---"


def test_a_row_of_another_length_is_an_error() -> None:
    with pytest.raises(ValueError, match="argument"):
        text_table(("one", "two"), [("only",)])
