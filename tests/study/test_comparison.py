"""Studies beside each other, in Python."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from normkit.report import ComparisonError, ResultsError
from normkit.study import StudyComparison, StudyResult


@pytest.fixture
def other(finished: Any, tmp_path: Path) -> StudyResult:
    """The finished study once more, with another outcome, in a folder of its own."""
    document = copy.deepcopy(finished.result.document)
    document["claims"][0]["verdicts"][0]["outcome"] = "refuted"
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "results.json").write_text(json.dumps(document), "utf-8")
    return StudyResult.load(folder)


def test_studies_are_named_by_their_folders(finished: Any, other: StudyResult) -> None:
    comparison = finished.result.compare(other)
    names = [study["name"] for study in comparison.document["studies"]]
    assert names == [finished.result.folder.name, "other"]
    assert comparison.document["counts"]["contradict"] == 1


def test_more_than_two_are_compared(finished: Any, other: StudyResult, tmp_path: Path) -> None:
    third = StudyResult(other.document, tmp_path / "third")
    assert len(finished.result.compare(other, third).document["studies"]) == 3


def test_rows_are_flat(finished: Any, other: StudyResult) -> None:
    rows = finished.result.compare(other).to_rows()
    assert [(row["study"], row["outcome"]) for row in rows] == [
        (finished.result.folder.name, "supported"),
        ("other", "refuted"),
    ]
    assert not any(isinstance(value, (dict, list)) for row in rows for value in row.values())


def test_the_page_goes_to_the_current_folder_or_where_it_is_told(
    finished: Any, other: StudyResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    comparison = finished.result.compare(other)
    monkeypatch.chdir(tmp_path)
    assert comparison.report().resolve() == tmp_path / "comparison.html"
    assert comparison.report(tmp_path / "x", "zh") == tmp_path / "x" / "comparison.zh.html"


def test_the_text_is_in_either_language(finished: Any, other: StudyResult) -> None:
    comparison = finished.result.compare(other)
    assert "Verdicts that contradict each other" in comparison.text()
    assert "相互矛盾的结论" in comparison.text("zh")


def test_a_study_is_not_compared_with_itself(finished: Any) -> None:
    with pytest.raises(ComparisonError, match="different studies"):
        finished.result.compare(finished.result)
    with pytest.raises(ComparisonError, match="two studies or more"):
        StudyComparison.of([finished.result])


def test_results_that_are_not_whole_are_named(finished: Any, tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r'^broken: results lacks the key "title"'):
        finished.result.compare(StudyResult({"schema": 1}, tmp_path / "broken"))
