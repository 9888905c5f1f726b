"""The numbers behind each figure come back from its CSV."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from normkit.report import ResultsError, csv_files


def test_there_is_one_file_for_each_figure(document: dict[str, Any]) -> None:
    names = {f"{c['id']}-{f['id']}.csv" for c in document["claims"] for f in c["figures"]}
    names |= {f"lesson-{f['id']}.csv" for s in document["lesson"]["steps"] for f in s["figures"]}
    assert set(csv_files(document)) == names
    assert "convergence-curves.csv" in names


def test_every_number_comes_back_exactly(document: dict[str, Any]) -> None:
    for claim in document["claims"]:
        for figure in claim["figures"]:
            content = csv_files(document)[f"{claim['id']}-{figure['id']}.csv"]
            back = list(csv.DictReader(io.StringIO(content)))
            assert len(back) == len(figure["rows"])
            for row, original in zip(back, figure["rows"], strict=True):
                for field, value in original.items():
                    if value is None:
                        assert row[field] == ""
                    elif isinstance(value, str):
                        assert row[field] == value
                    else:
                        assert float(row[field]) == value


def test_rows_may_differ_in_their_fields(document: dict[str, Any]) -> None:
    figure = document["claims"][1]["figures"][1]
    figure["rows"] = [
        {"norm": "batch", "steps": 3},
        {"norm": 'a "quoted", norm', "steps": None, "seed": 1},
    ]
    assert csv_files(document)["convergence-steps.csv"] == (
        'norm,steps,seed\nbatch,3,\n"a ""quoted"", norm",,1\n'
    )


def test_a_foreign_document_is_refused() -> None:
    with pytest.raises(ResultsError):
        csv_files({})
