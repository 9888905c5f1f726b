"""A finished study's results, and what becomes of a folder that holds none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from normkit.study import StoreError, StudyResult


def test_rows_are_flat(finished: Any) -> None:
    [row] = finished.result.to_rows()
    assert (row["claim"], row["norm"], row["outcome"]) == ("standardise", "batch", "supported")
    assert not any(isinstance(value, (dict, list)) for value in row.values())


def test_the_document_is_plain_json(finished: Any) -> None:
    document = finished.result.document
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_the_table_of_choices_has_a_row_per_norm(finished: Any) -> None:
    rows = finished.result.document["choices"]["rows"]
    assert [row["norm"] for row in rows] == ["none", "batch"]
    for row in rows:
        assert row["values"]["seconds_per_step"]["value"] > 0
        assert row["values"]["bytes"]["value"] > 0


def test_the_report_goes_where_it_is_told(finished: Any, tmp_path: Path) -> None:
    path = finished.result.report(tmp_path, "both")
    assert path.parent == tmp_path
    assert {"report.html", "report.zh.html", "results.json"} <= {
        entry.name for entry in tmp_path.iterdir()
    }


@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"schema": 99}'])
def test_a_folder_without_results_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "results.json").write_text(content)
    with pytest.raises(StoreError, match=r"holds no readable results\.json: run `normkit study"):
        StudyResult.load(tmp_path)
