"""The files of a comparison: all there, whole, and linked."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from normkit.report.comparison import csv_files, html, write
from normkit.report.comparison.schema import Comparison


def test_both_languages_are_written_with_the_document_and_its_rows(
    pair: Comparison, tmp_path: Path
) -> None:
    path = write(pair, tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "comparison.html"
    assert {entry.name for entry in path.parent.iterdir()} == {
        *("comparison.html", "comparison.zh.html", "comparison.json"),
        *("comparison.csv", "comparison-choices.csv"),
    }
    assert json.loads((path.parent / "comparison.json").read_text("utf-8")) == pair
    assert 'href="comparison.zh.html"' in path.read_text("utf-8")


def test_one_language_has_no_link_to_the_other(pair: Comparison, tmp_path: Path) -> None:
    path = write(pair, tmp_path, "zh")
    assert path.name == "comparison.zh.html"
    assert path.read_text("utf-8") == html(pair, "zh")
    assert not (tmp_path / "comparison.html").exists()


def test_a_row_of_the_csv_is_a_verdict_in_a_study(pair: Comparison) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_files(pair)["comparison.csv"])))
    assert len(rows) == 2 * sum(pair["counts"].values())
    steps = [r for r in rows if (r["claim"], r["verdict"], r["norm"])
             == ("convergence", "steps", "batch")]  # fmt: skip
    assert [(r["study"], r["outcome"], r["effect"], r["agreement"]) for r in steps] == [
        ("first", "supported", "3.1", "contradict"),
        ("second", "refuted", "0.9", "contradict"),
    ]
    assert steps[0]["cautions"] == "other_target"
    [absent] = [r for r in rows if r["study"] == "second" and r["norm"] == "instance"
                and (r["claim"], r["verdict"]) == ("convergence", "steps")]  # fmt: skip
    assert (absent["outcome"], absent["effect"]) == ("", "")
    assert absent["missing"] == "this norm is not in that study"


def test_the_choices_have_a_csv_too(pair: Comparison) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_files(pair)["comparison-choices.csv"])))
    columns = len(pair["choices"]["columns"])
    assert len(rows) == columns * (5 + 4)
    found = {(r["norm"], r["study"], r["column"]): r["value"] for r in rows}
    assert found["batch", "first", "test_error"] == "0.017"


def test_nothing_is_written_in_an_unknown_language(pair: Comparison, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lang must be"):
        write(pair, tmp_path / "new", "fr")
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_the_old_file_whole(
    pair: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = write(pair, tmp_path, "en").read_bytes()

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write(pair, tmp_path, "en")
    assert (tmp_path / "comparison.html").read_bytes() == old
    assert list(tmp_path.glob("*.partial")) == []
