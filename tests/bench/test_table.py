"""The tables: a row for each shape, what was not timed, and the summary."""

from __future__ import annotations

import copy
import re

import pytest

from normkit.bench import table
from normkit.bench.document import Document


def test_each_kind_of_case_has_a_table(document: Document) -> None:
    text = table.text(document, 120)
    for title in ("batch, contiguous, float32, training\n", "rms, channels last, float32"):
        assert title in text
    assert text.count("3×8×5×2 ") >= 8
    assert "Activation: relu" in text
    assert "Over all shapes" in text


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_asked(document: Document, width: int) -> None:
    assert max(map(len, table.text(document, width).splitlines())) <= width


def test_what_was_not_timed_is_told_with_its_reason(document: Document) -> None:
    found = copy.deepcopy(document)
    row = next(row for row in found["rows"] if row["contestant"] == "eager")
    row |= {"median": None, "q25": None, "q75": None, "reason": "error 3e-01"}
    text = table.text(found, 120)
    assert "not timed: eager, 3×4×3×3: error 3e-01" in text


def test_normkit_is_compared_with_pytorchs_layers_plain_and_in_place(document: Document) -> None:
    found = copy.deepcopy(document)
    for row in found["rows"]:
        if row["contestant"] == "normkit":
            row |= {"eager_over": 1.75, "in_place_over": 1.25}
    for group in (found, *found["summary"]):
        group["over_normkit"] = {"eager": 1.75, "eager_in_place": 1.25}
    text = table.text(found, 160)
    cases = sum(row["contestant"] == "normkit" for row in found["rows"])
    assert text.count("eager / normkit   in place / normkit") == len(found["summary"]) + 1
    assert len(re.findall(r"×1\.75 +×1\.25", text)) == cases + len(found["summary"])
    told = "Over all cases, geometric means: eager / normkit ×1.75, in place / normkit ×1.25."
    assert told in text


def test_a_median_and_its_spread_are_in_milliseconds(document: Document) -> None:
    found = copy.deepcopy(document)
    for row in found["rows"]:
        row |= {"median": 0.0123, "q25": 0.0123, "q75": 0.0126}
    assert "12.3 ±1%" in table.text(found, 120)


def test_with_nothing_measured_it_says_where_it_was(document: Document) -> None:
    empty: Document = {**document, "rows": [], "summary": []}
    assert document["machine"]["capability"] in table.text(empty, 120)


def test_on_a_gpu_the_host_is_told_where_it_takes_longer(document: Document) -> None:
    found = copy.deepcopy(document)
    found["machine"]["gpu"] = {
        **{"name": "NVIDIA H000", "capability": "9.0", "multiprocessors": 100, "bytes": 2**30},
        **{"cuda": "13.0", "triton": "3.6.0"},
    }
    for row, host in zip(found["rows"], [0.0456, 0.0012] * len(found["rows"]), strict=False):
        row |= {"median": 0.0123, "q25": 0.0123, "q75": 0.0126, "host": host}
    text = table.text(found, 160)
    assert "NVIDIA H000; normkit" in text
    assert "CUDA 13.0, Triton 3.6.0" in text
    assert "in brackets that of the host" in text
    assert text.count("(45.6)") == len(found["rows"]) / 2
    assert "(1.2)" not in text
