"""The tables of all pages are those of the results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import tables


@pytest.mark.parametrize(
    ("page", "rebuilt"),
    [
        (tables.README, tables.with_tables),
        (tables.SURGERY, tables.with_surgery_tables),
        (tables.FRONT_PAGE, tables.with_front_page_tables),
    ],
    ids=["benchmarks", "surgery", "front page"],
)
def test_a_page_tells_what_was_measured(page: Path, rebuilt: Any) -> None:
    text = page.read_text("utf-8")
    assert rebuilt(text) == text


ALL = {**tables.TABLES, **tables.SURGERY_TABLES}


@pytest.mark.parametrize("name", ALL)
def test_every_table_has_results(name: str) -> None:
    results = json.loads((tables.HERE / "results" / f"{name}.json").read_text("utf-8"))
    lines = ALL[name](results).splitlines()
    assert len(lines) > 2
    assert lines[0].count("|") == lines[2].count("|")
