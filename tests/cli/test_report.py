"""`normkit report` rebuilds or prints a finished study."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def test_writes_the_page_and_prints_its_path(normkit: Run, study: Path, tmp_path: Path) -> None:
    ran = normkit("report", str(study), "--out", str(tmp_path))
    assert ran.code == 0
    assert ran.out.strip() == str(tmp_path / "report.html")
    assert "<html" in (tmp_path / "report.html").read_text("utf-8")


def test_prints_the_path_of_the_chinese_page(normkit: Run, study: Path, tmp_path: Path) -> None:
    ran = normkit("report", str(study), "--out", str(tmp_path), "--lang", "zh")
    path = Path(ran.out.strip())
    assert path == tmp_path / "report.zh.html"
    assert "均值为零、方差为一" in path.read_text("utf-8")


@pytest.mark.parametrize(
    ("lang", "words"), [("en", "Zero mean and unit variance"), ("zh", "均值为零、方差为一")]
)
def test_prints_text(normkit: Run, study: Path, lang: str, words: str) -> None:
    ran = normkit("report", str(study), "--format", "text", "--lang", lang)
    assert ran.code == 0
    assert words in ran.out


def test_prints_text_in_full(normkit: Run, study: Path) -> None:
    ran = normkit("report", str(study), "--format", "text")
    for section in ("## Zero mean and unit variance", "## How this study was made"):
        assert section in ran.out


def test_prints_json(normkit: Run, study: Path) -> None:
    ran = normkit("report", str(study), "--format", "json")
    assert json.loads(ran.out) == json.loads((study / "results.json").read_text("utf-8"))


def test_a_folder_without_results_is_told(normkit: Run, tmp_path: Path) -> None:
    ran = normkit("report", str(tmp_path))
    assert ran.code == 2
    assert ran.err.startswith("Error: a report needs the results of a finished study")
    assert ran.err.count("\n") == 1


def test_results_that_make_no_sense_are_told(normkit: Run, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"schema": 1}')
    ran = normkit("report", str(tmp_path))
    assert ran.code == 2
    assert ran.err.startswith("Error: ")
    assert "Traceback" not in ran.err


def test_a_place_that_cannot_be_written_to_is_told(
    normkit: Run, study: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    ran = normkit("report", str(study), "--out", str(tmp_path / "file" / "below"))
    assert ran.code == 2
    assert ran.err.startswith("Error: ")
    assert "Traceback" not in ran.err
