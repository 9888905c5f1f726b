"""Benchmarks are scripts: their folder is where Python looks when it runs one."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "benchmarks"))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Runs a benchmark's script on very little, and returns what it keeps."""

    def run(script: str, *options: str) -> dict[str, Any]:
        module = importlib.import_module(script)
        results = tmp_path / "results" / f"{script}.json"
        monkeypatch.setattr(module, "RESULTS", results)
        monkeypatch.setattr(torch, "set_num_threads", lambda _: None)  # As all tests have it.
        tiny = ["--batch", "4", "--size", "32", "--rounds", "2", "--warm-up", "1"]
        module.main([*tiny, "--write", *options])
        return json.loads(results.read_text("utf-8"))

    return run


@pytest.fixture
def cells() -> Callable[[str], list[list[str]]]:
    """The cells of a table on a page, its head first."""

    def cells(page: str) -> list[list[str]]:
        rows = [line.strip("|").split("|") for line in page.splitlines() if line.startswith("|")]
        return [[cell.strip() for cell in row] for row in rows if set(row[0].strip()) != {"-"}]

    return cells
