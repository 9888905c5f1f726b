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


class TestComparison:
    """Two folders or more are set side by side."""

    @pytest.fixture
    def again(self, study: Path, tmp_path: Path) -> Path:
        """The same study with one verdict turned round, under the same name elsewhere."""
        document = json.loads((study / "results.json").read_text("utf-8"))
        document["claims"][0]["verdicts"][0]["outcome"] = "refuted"
        folder = tmp_path / "again" / study.name
        folder.mkdir(parents=True)
        (folder / "results.json").write_text(json.dumps(document), "utf-8")
        return folder

    def test_writes_the_page_into_the_current_folder(
        self,
        normkit: Run,
        study: Path,
        again: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        here = tmp_path / "here"
        here.mkdir()
        monkeypatch.chdir(here)
        before = {path: path.stat().st_mtime_ns for path in (study, again)}
        ran = normkit("report", str(study), str(again))
        assert (ran.code, ran.out, ran.err) == (0, "comparison.html\n", "")
        assert "contradict each other" in (here / "comparison.html").read_text("utf-8")
        assert (here / "comparison.csv").is_file()
        assert {path: path.stat().st_mtime_ns for path in (study, again)} == before

    def test_writes_elsewhere_and_prints_the_path_of_the_chinese_page(
        self, normkit: Run, study: Path, again: Path, tmp_path: Path
    ) -> None:
        ran = normkit("report", str(study), str(again), "--out", str(tmp_path), "--lang", "zh")
        path = Path(ran.out.strip())
        assert path == tmp_path / "comparison.zh.html"
        assert "相互矛盾的结论" in path.read_text("utf-8")

    @pytest.mark.parametrize(
        ("lang", "words"),
        [
            ("en", "refuted in again/{name}"),
            ("zh", "在 again/{name}（探索性）中不成立"),
        ],
    )
    def test_prints_text(
        self,
        normkit: Run,
        study: Path,
        again: Path,
        lang: str,
        words: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("COLUMNS", "600")  # So that no sentence is broken within these words.
        ran = normkit("report", str(study), str(again), "--format", "text", "--lang", lang)
        assert ran.code == 0
        assert words.format(name=study.name) in ran.out

    def test_prints_json(self, normkit: Run, study: Path, again: Path) -> None:
        ran = normkit("report", str(study), str(again), "--format", "json")
        document = json.loads(ran.out)
        assert (document["kind"], document["counts"]["contradict"]) == ("comparison", 1)

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (None, "Error: a report needs the results of a finished study; "),
            ('{"schema": 99}', "Error: a report needs results of schema 1, got 99 in "),
            ('{"schema": 1}', 'Error: other: results lacks the key "title"'),
        ],
    )
    def test_a_folder_that_is_no_study_is_told_and_nothing_written(
        self, normkit: Run, study: Path, tmp_path: Path, content: str | None, told: str
    ) -> None:
        other, out = tmp_path / "other", tmp_path / "out"
        other.mkdir()
        if content:
            (other / "results.json").write_text(content)
        ran = normkit("report", str(study), str(other), "--out", str(out))
        assert ran.code == 2
        assert ran.err.startswith(told)
        assert ran.err.count("\n") == 1
        assert not out.exists()

    def test_the_same_folder_twice_is_told(self, normkit: Run, study: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        ran = normkit("report", str(study), f"{study}/../{study.name}", "--out", str(out))
        assert ran.code == 2
        assert ran.err.startswith("Error: a comparison needs different studies, got ")
        assert ran.err.count("\n") == 1
        assert not out.exists()

    def test_a_place_that_cannot_be_written_to_is_told(
        self, normkit: Run, study: Path, again: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "file").touch()
        ran = normkit("report", str(study), str(again), "--out", str(tmp_path / "file" / "below"))
        assert ran.code == 2
        assert ran.err.startswith("Error: a report needs a folder that it can write to")
