"""The tutorial works as it is written: its files are written and its commands run, in order."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from normkit.cli import app

ROOT = Path(__file__).parents[1]
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text("utf-8")
BLOCKS = re.findall(r"```(python)?\n(.*?)```", TUTORIAL, re.DOTALL)
FEWER = ["--limit", "120", "--steps", "10", "--workers", "1"]
"""What keeps the studies short here; everything else is as it stands."""


def test_every_file_of_it_is_named() -> None:
    named = [re.match(r"# (\w+\.py)\n", text) for kind, text in BLOCKS if kind]
    assert all(named)
    assert len(named) >= 4


def test_it_works_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for kind, text in BLOCKS:
        if kind:
            name = text.split("\n", 1)[0].removeprefix("# ")
            quick = text.replace("budget=", "limit=120, steps=10, workers=1, budget=")
            (tmp_path / name).write_text(quick, "utf-8")
            continue
        for command in text.strip().splitlines():
            run(shlex.split(command), tmp_path)
    for study in ("mine", "shifted", "python"):
        assert (tmp_path / "studies" / study / "results.json").exists()
    assert (tmp_path / "studies" / "mine" / "report.zh.html").exists()
    assert (tmp_path / "comparison" / "comparison.html").exists()


def run(words: list[str], folder: Path) -> None:
    if words[0] == "python":
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sys.path))}
        done = subprocess.run(
            [sys.executable, *words[1:]],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return
    assert words[0] == "normkit"
    fewer = FEWER if words[1] == "study" else []
    outcome = CliRunner().invoke(app, [*words[1:], *fewer])
    assert outcome.exit_code == 0, outcome.output
