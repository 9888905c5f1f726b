"""The report's files: all there, whole, and linked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from normkit.report import ResultsError, csv_files, html, write


def test_one_language_writes_its_page_the_results_and_the_numbers(
    short: dict[str, Any], tmp_path: Path
) -> None:
    path = write(short, tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "report.html"
    assert path.read_text("utf-8") == html(short)
    written = {str(p.relative_to(path.parent)) for p in path.parent.rglob("*") if p.is_file()}
    figures = {f"figures/{name}" for name in csv_files(short)}
    assert written == {"report.html", "results.json"} | figures
    assert json.loads((path.parent / "results.json").read_text("utf-8")) == short


def test_chinese_has_a_file_of_its_own(short: dict[str, Any], tmp_path: Path) -> None:
    path = write(short, tmp_path, lang="zh")
    assert path.name == "report.zh.html"
    assert not (tmp_path / "report.html").exists()


def test_both_languages_link_to_each_other(short: dict[str, Any], tmp_path: Path) -> None:
    path = write(short, tmp_path, lang="both")
    assert path.name == "report.html"
    assert 'href="report.zh.html"' in path.read_text("utf-8")
    assert 'href="report.html"' in (tmp_path / "report.zh.html").read_text("utf-8")


def test_a_page_alone_has_no_link_to_a_missing_one(short: dict[str, Any]) -> None:
    assert "report.zh.html" not in html(short)


def test_written_again_it_is_the_same_bytes(short: dict[str, Any], tmp_path: Path) -> None:
    first = write(short, tmp_path, lang="zh").read_bytes()
    assert write(short, tmp_path, lang="zh").read_bytes() == first


def test_other_files_in_the_folder_are_left_alone(short: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text("{}")
    write(short, tmp_path)
    assert (tmp_path / "study.json").read_text() == "{}"


@pytest.mark.parametrize("lang", ["fr", ""])
def test_nothing_is_written_in_an_unknown_language(
    short: dict[str, Any], tmp_path: Path, lang: str
) -> None:
    with pytest.raises(ValueError, match="lang must be 'en' or 'zh' or 'both'"):
        write(short, tmp_path, lang)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_of_a_broken_document(short: dict[str, Any], tmp_path: Path) -> None:
    del short["claims"]
    with pytest.raises(ResultsError):
        write(short, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_the_old_file_whole(
    short: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = write(short, tmp_path, lang="zh").read_bytes()
    short["title"]["zh"] = "新标题"

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write(short, tmp_path, lang="zh")
    assert (tmp_path / "report.zh.html").read_bytes() == old
    assert [path for path in tmp_path.rglob(".*") if path.is_file()] == []


def test_files_can_be_read_by_those_who_may_read_new_files(
    short: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "new").write_text("")
    written = write(short, tmp_path)
    assert written.stat().st_mode == (tmp_path / "new").stat().st_mode
