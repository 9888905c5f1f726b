"""`normkit bench` shows its tables, writes its files, and keeps them when it is stopped."""

from __future__ import annotations

import doctest
import json
import re
import shlex
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from normkit.bench import run

Run = Callable[..., Any]
PAGE = Path(__file__).parents[2] / "docs" / "bench.md"
COMMANDS = re.findall(r"^normkit (bench[^#\n]*)", PAGE.read_text("utf-8"), re.MULTILINE)
SMALL = (
    *("bench", "--methods", "rms", "--shapes", "4x3,8x2x5", "--layouts", "contiguous"),
    *("--batch", "2", "--rounds", "1", "--threads", "1"),
)


def test_it_times_and_writes(normkit: Run, tmp_path: Path) -> None:
    out, chart = tmp_path / "bench.json", tmp_path / "bench.svg"
    ran = normkit(*SMALL, "--residual", "both", "--out", str(out), "--chart", str(chart))
    assert (ran.code, ran.err) == (0, "")
    for words in ("--compile adds it", "4 cases, very roughly", "rms, contiguous, float32"):
        assert words in ran.out
    document = json.loads(out.read_text("utf-8"))
    assert document["complete"]
    assert {tuple(row["shape"]) for row in document["rows"]} == {(2, 4, 3, 3), (2, 8, 2, 5)}
    assert {row["residual"] for row in document["rows"]} == {False, True}
    assert ET.parse(chart).getroot().tag.endswith("svg")


def test_quick_is_a_small_batch_unless_one_is_given(normkit: Run, tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    words = SMALL[: SMALL.index("--batch")]
    normkit(*words, "--quick", "--rounds", "1", "--threads", "1", "--out", str(out))
    document = json.loads(out.read_text("utf-8"))
    assert (document["batch"], document["rounds"]) == (2, 1)


def test_an_interruption_keeps_what_was_measured(
    normkit: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = run.measure

    def measure(case: Any, *others: Any) -> Any:
        if case.shape[1] == 8:
            raise KeyboardInterrupt
        return measured(case, *others)

    monkeypatch.setattr(run, "measure", measure)
    out = tmp_path / "bench.json"
    ran = normkit(*SMALL, "--out", str(out))
    assert ran.code == 130
    assert f"Stopped. What was measured is in {out}" in ran.err
    assert "2×4×3×3" in ran.out
    document = json.loads(out.read_text("utf-8"))
    assert not document["complete"]
    assert {tuple(row["shape"]) for row in document["rows"]} == {(2, 4, 3, 3)}


def test_a_gpu_without_enough_memory_is_told_and_what_was_measured_kept(
    normkit: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = run.measure

    def measure(case: Any, *others: Any) -> Any:
        if case.shape[1] == 8:
            raise torch.OutOfMemoryError("tried to allocate 2 GiB")
        return measured(case, *others)

    monkeypatch.setattr(run, "measure", measure)
    out = tmp_path / "bench.json"
    ran = normkit(*SMALL, "--out", str(out))
    assert ran.code == 2
    assert "take a smaller --batch" in ran.err
    assert "tried to allocate 2 GiB" in ran.err
    assert "2×4×3×3" in ran.out
    assert not json.loads(out.read_text("utf-8"))["complete"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(
            ["--device", "cuda"],
            "needs a GPU that PyTorch sees",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
        (["--methods", "bach"], "Did you mean 'batch'"),
        (["--shapes", "64"], "got '64'"),
        (["--shapes", "64x7x7x7"], "got '64x7x7x7'"),
        (["--act", "rleu"], "unknown activation 'rleu'"),
        (["--batch", "0"], "batch must be at least 1"),
        (["--out", "no/such/folder/bench.json"], "could not write the results"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_timed(
    normkit: Run, words: list[str], message: str
) -> None:
    ran = normkit("bench", *words)
    assert ran.code == 2
    assert message in ran.err
    assert "very roughly" not in ran.out


def test_a_terminal_is_not_needed_for_signs_of_life(normkit: Run) -> None:
    ran = normkit(*SMALL)
    assert "rms contiguous 2×8×2×5: 2 of 2 cases, 0 s left" in ran.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_its_page_is_understood(
    normkit: Run, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    few = ("--shapes", "4x3", "--batch", "2", "--rounds", "1", "--threads", "1")
    ran = normkit(*shlex.split(command), *few)
    if "--device cuda" in command and not torch.cuda.is_available():
        assert (ran.code, "needs a GPU that PyTorch sees" in ran.err) == (2, True)
        return
    assert (ran.code, ran.err) == (0, "")
    assert {path.name for path in tmp_path.iterdir()} == set(re.findall(r"bench\.\w+", command))


def test_the_example_of_its_page_runs() -> None:
    failed, tried = doctest.testfile(str(PAGE), module_relative=False)
    assert (failed, tried) == (0, 5)


def test_the_page_has_commands() -> None:
    assert len(COMMANDS) >= 5
