"""The script compares steps of the same training, and its page tells what it kept."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import tables
import training_step
from training_step import CASES, Case

Run = Callable[..., dict[str, Any]]


def test_what_is_kept_is_what_the_tables_tell(
    run: Run, cells: Callable[[str], list[list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_step, "CASES", [c for c in CASES if c.network == "mobilenet_v2"])
    kept = run("training_step")
    assert [(row["layout"], row["target"]) for row in kept["rows"]] == [
        ("channels_last", 1.5),
        ("contiguous", None),
    ]
    for row in kept["rows"]:
        assert {len(losses) for losses in row["losses"].values()} == {3}
        first = [losses[0] for losses in row["losses"].values()]
        assert max(first) - min(first) < 1e-3
        assert 0 < row["share"] < 1
        assert row["ratio"]["low"] <= row["ratio"]["median"] <= row["ratio"]["high"]
    head, line, other = cells(tables.training_step(kept))
    assert len(head) == len(line) == len(other)
    assert line[:3] == ["MobileNetV2", "channels-last", "4"]
    assert (line[6], other[6]) == ("1.50", "–")
    losses = [f"{values[-1]:.3f}" for values in kept["rows"][0]["losses"].values()]
    assert line[7].split(" / ") == losses
    faults = [f"{count:,.0f}" for count in kept["rows"][0]["page_faults"].values()]
    assert line[9].split(" / ") == faults
    head, line, _ = cells(tables.front_page(kept))
    assert head[-1] == "loss after 3 steps: PyTorch / normkit"
    assert line[-1].split(" / ") == losses[:2]


def test_a_slower_step_is_told_as_such(cells: Callable[[str], list[list[str]]]) -> None:
    times = {"pytorch": 100.0, "normkit": 200.0}
    row = {
        **{"network": "resnet50", "layout": "contiguous", "batch": 8, "size": 224, "rounds": 15},
        "milliseconds": {name: {"median": value} for name, value in times.items()},
        "ratio": {"median": 0.5, "low": 0.48, "high": 0.51},
        "losses": {"pytorch": [2.0], "normkit": [2.0]},
    }
    about = {"processor": "a processor", "threads": 2, "torch": "2.13.0"}
    page = tables.front_page({"about": about, "rows": [row]})
    assert cells(page)[1][3:6] == ["100 ms", "200 ms", "0.50"]
    assert page.endswith("a processor, 2 threads, torch 2.13.0; images of 224 × 224; float32; "
                         "medians of 15 rounds.\n")  # fmt: skip


def test_the_share_of_norms_counts_what_they_call() -> None:
    norm = torch.nn.BatchNorm2d(8)
    x = torch.randn(4, 8, 16, 16, requires_grad=True)
    assert training_step.share(lambda: norm(x).relu_().sum().backward()) > 0.5
    assert training_step.share(lambda: x.exp().sum().backward()) == 0


def test_page_faults_are_those_of_the_step() -> None:
    faults: list[int] = []
    step = training_step.counting(lambda: mmap.mmap(-1, mmap.PAGESIZE).write(b"1"), faults)
    for _ in range(3):
        step()
    assert len(faults) == 3
    assert min(faults) >= 1


def test_rows_of_one_network_are_not_kept_in_place_of_all(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run("training_step", "--network", "resnet50")
    assert "leave --network out" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_targets_are_those_of_the_two_networks() -> None:
    assert Case("mobilenet_v2", "channels_last", 16, 1.5) in CASES
    assert {(c.layout, c.batch, c.target) for c in CASES if c.network == "resnet50"} == {
        ("channels_last", 8, 1.2),
        ("contiguous", 8, 1.2),
    }
