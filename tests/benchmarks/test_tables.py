"""The tables of both pages are those of the results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import tables


@pytest.mark.parametrize(
    ("page", "rebuilt"),
    [(tables.README, tables.with_tables), (tables.FRONT_PAGE, tables.with_front_page_tables)],
    ids=["benchmarks", "front page"],
)
def test_a_page_tells_what_was_measured(page: Path, rebuilt: Any) -> None:
    text = page.read_text("utf-8")
    assert rebuilt(text) == text


@pytest.mark.parametrize("name", tables.TABLES)
def test_every_table_has_results(name: str) -> None:
    results = json.loads((tables.HERE / "results" / f"{name}.json").read_text("utf-8"))
    lines = tables.TABLES[name](results).splitlines()
    assert len(lines) > 2
    assert lines[0].count("|") == lines[2].count("|")
