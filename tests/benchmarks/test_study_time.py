"""What the kernels take off a study is told of the trials that two studies share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import study_time


def study(folder: Path, *trials: tuple[str, int, str, float | None]) -> Path:
    """A folder with trials: norm, seed, status, seconds of training."""
    (folder / "trials").mkdir(parents=True)
    for i, (norm, seed, status, trained) in enumerate(trials):
        times: dict[str, Any] = {} if trained is None else {"measured": {"training": trained}}
        spec = {"norm": norm, "seed": seed, "code": folder.name}
        trial = {"spec": spec, "status": status, "times": times}
        (folder / "trials" / f"{i}.json").write_text(json.dumps(trial), "utf-8")
    return folder


def test_studies_of_different_versions_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [study(tmp_path / name) for name in ("with", "without")]
    for folder, version in zip(folders, ("1", "2"), strict=True):
        about = {"normkit": version, "torch": "2", "python": "3", "machine": {"cpu": "one"}}
        (folder / "results.json").write_text(json.dumps(about), "utf-8")
    monkeypatch.setattr("sys.argv", ["study_time.py", *map(str, folders)])
    with pytest.raises(SystemExit):
        study_time.main()
    assert "must be of one version and one machine" in capsys.readouterr().err


def test_only_trials_count_that_both_have_and_that_ended_as_planned(tmp_path: Path) -> None:
    with_kernels = study(
        tmp_path / "with",
        ("batch", 0, "ok", 1.0),
        ("batch", 1, "ok", 2.0),
        ("batch", 2, "ok", 4.0),
        ("none", 0, "ok", 8.0),
        ("none", 1, "diverged", 16.0),
        ("none", 2, "ok", 0.0),
    )
    without = study(
        tmp_path / "without",
        ("batch", 0, "ok", 3.0),
        ("batch", 1, "ok", 5.0),
        ("none", 0, "ok", 8.0),
        ("none", 1, "ok", None),
        ("none", 2, "ok", 0.0),
        ("group", 0, "ok", 1.0),
    )
    assert study_time.compared(study_time.seconds(with_kernels), study_time.seconds(without)) == [
        {"norm": "batch", "trials": 2, "with": 3.0, "without": 8.0},
        {"norm": "none", "trials": 1, "with": 8.0, "without": 8.0},
    ]
