"""The one command for a GPU, tried on the CPU: what it keeps, and what its last table says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import gpu
import gpu_steps
from gpu_figures import Line, of_layers, of_steps
from normkit.bench import run

TINY = ["--device", "cpu", "--batch", "4", "--size", "16", "--rounds", "2", "--warm-up", "2"]


def small() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU()),
        *(nn.Conv2d(8, 16, 3, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 1000)),
    )


@pytest.fixture(autouse=True)
def _smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_steps, "STOCK", {"mobilenet_v2": small, "resnet50": small})
    monkeypatch.setattr(gpu, "RESNET50", ((8, 5, 5), (16, 3, 3)))


def test_it_measures_layers_and_steps_and_ends_with_a_short_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results" / "gpu.json"
    gpu.main([*TINY, "--no-compile", "--write", str(results)])
    kept: dict[str, Any] = json.loads(results.read_text("utf-8"))
    rows = [row for document in kept["layers"].values() for row in document["rows"]]
    assert {(row["method"], row["layout"], row["dtype"], row["residual"]) for row in rows} == {
        (method, "channels_last", "bfloat16", True) for method in ("batch", "group")
    }
    assert {row["reason"] for row in rows} == {None}
    assert list(kept["steps"]) == ["resnet50", "mobilenet_v2"]
    for row in kept["steps"].values():
        assert list(row["ratio"]) == ["eager", "fuse_", "fuse_, lean()"]
        assert {len(losses) for losses in row["losses"].values()} == {4}
        first = [losses[0] for losses in row["losses"].values()]
        assert max(first) - min(first) < 0.02
        assert row["from_eager"]["eager"]["high"] == 0
        assert 0 < row["from_float64"]["fuse_"]["median"] < 0.1
        assert row["losses"]["fuse_"] == row["losses"]["fuse_, lean()"]
        assert set(row["peak_bytes"].values()) == {None}  # A CPU does not tell.
    printed = capsys.readouterr().out
    assert "eager, disturbed last loss" in printed
    table = printed[printed.index("Measured, and what it should be") :]
    assert table.count("not measured") == 2 * 2 + 2 + 1  # Compiled, large maps, and the peak.
    assert "tests on the GPU" in table


def test_parts_are_put_together_in_one_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "gpu.json"
    options = [*TINY, "--no-compile", "--write", str(results)]
    for method in ("group", "batch"):
        gpu.main([*options, "--part", "layers", "--method", method])
    gpu.main([*options, "--part", "steps", "--network", "resnet50"])
    found = json.loads(results.read_text("utf-8"))
    assert set(found["layers"]) == {"batch", "group"}
    assert list(found["steps"]) == ["resnet50"]
    last = capsys.readouterr().out.rpartition("Measured, and what it should be")[2]
    for words in ("batch: eager over", "group: eager over", "ResNet-50: eager's step"):
        assert words in last
    results.write_text(json.dumps(found | {"about": "of another machine"}), "utf-8")
    gpu.main([*options, "--part", "layers", "--method", "batch"])
    assert set(json.loads(results.read_text("utf-8"))["layers"]) == {"batch"}


def test_what_was_measured_before_a_failure_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = run.measure

    def measure(case: Any, *others: Any) -> Any:
        if case.method == "group" and case.shape[1] == 16:
            raise ZeroDivisionError
        return measured(case, *others)

    monkeypatch.setattr(run, "measure", measure)
    results = tmp_path / "gpu.json"
    with pytest.raises(ZeroDivisionError):
        gpu.main([*TINY, "--no-compile", "--write", str(results)])
    found = json.loads(results.read_text("utf-8"))["layers"]
    assert found["batch"]["complete"]
    assert not found["group"]["complete"]
    assert {tuple(row["shape"]) for row in found["group"]["rows"]} == {(4, 8, 5, 5)}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        gpu.main([])
    assert "PyTorch sees no GPU here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("code", "says", "told"),
    [
        (0, "....\n5 passed in 2s\n", "5 passed in 2s"),
        (1, "..F.\n1 failed, 3 passed in 2s\n", "FAILED: 1 failed, 3 passed in 2s"),
        (5, "", "FAILED: pytest said nothing"),
        (0, "ss\n2 skipped, 9 deselected in 1s\n", "none passed: 2 skipped, 9 deselected in 1s"),
    ],
)
def test_how_the_tests_ended_is_told_as_it_was(
    code: int, says: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = subprocess.Popen

    def start(_: list[str], **options: Any) -> subprocess.Popen[str]:
        script = f"print({says!r}, end=''); raise SystemExit({code})"
        return started([sys.executable, "-c", script], **options)

    monkeypatch.setattr(subprocess, "Popen", start)
    assert gpu.run_tests() == told


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_pytest_is_asked_so_that_it_says_how_they_ended() -> None:
    told = gpu.run_tests("tests/test_seeding.py")
    assert re.fullmatch(r"none passed: 1 skipped\b.*", told)


def test_the_peak_is_taken_in_a_step_of_the_warm_up(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        gpu.main([*TINY, "--warm-up", "0"])
    assert "--warm-up must be at least 1" in capsys.readouterr().err


def test_tests_that_cannot_run_are_not_told_as_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "find_spec", lambda _: None)
    assert gpu.run_tests() == "not run: pytest is not installed"


def layer_row(method: str, shape: list[int], contestant: str, **others: Any) -> dict[str, Any]:
    return {
        **{"method": method, "shape": shape, "dtype": "bfloat16", "contestant": contestant},
        **{"error": 0.004, "times_floor": None, **others},
    }


def test_figures_of_layers_are_geometric_means_and_the_least() -> None:
    large, tiny = [128, 64, 112, 112], [128, 512, 7, 7]
    rows = [
        layer_row("batch", large, "eager", median=4.0),
        layer_row("batch", large, "compile", median=2.0),
        layer_row("batch", large, "compile_max_autotune", median=None),
        layer_row("batch", large, "normkit", median=1.0, times_floor=1.6, error=0.002),
        layer_row("batch", tiny, "eager", median=1.0),
        layer_row("batch", tiny, "compile", median=8.0),
        layer_row("batch", tiny, "normkit", median=2.0, times_floor=9.0, error=0.002),
    ]
    lines = {line.what: line for line in of_layers("batch", rows)}  # type: ignore[arg-type]
    told = {what.removeprefix("batch: "): line.measured for what, line in lines.items()}
    assert told["eager over normkit"] == pytest.approx((4 * 0.5) ** 0.5)
    assert told["compile over normkit"] == pytest.approx((2 * 4) ** 0.5)
    assert told["compile_max_autotune over normkit"] is None
    assert told["least, over the best of these"] == 0.5
    assert told["least share of the floor's speed, large maps"] == pytest.approx(1 / 1.6)
    assert told["largest errors, of eager's, in the mean"] == pytest.approx(0.5)
    assert told["paths right and timed, of 7"] == 6
    assert lines["batch: paths right and timed, of 7"].verdict == "missed"


def test_figures_of_steps_are_those_of_resnet50() -> None:
    row = {
        "network": "resnet50",
        "ratio": {"fuse_": {"median": 1.25}},
        "peak_bytes": {"eager": 200, "fuse_, lean()": 120},
        "from_float64": {"eager": {"median": 0.02}, "fuse_": {"median": 0.03}},
    }
    lines = list(of_steps(row))
    assert [line.measured for line in lines] == pytest.approx([1.25, 0.6, 1.5])
    assert [line.verdict for line in lines] == ["reached", "reached", "missed"]


@pytest.mark.parametrize(
    ("measured", "at_least", "verdict"),
    [
        *((1.0, True, "reached"), (0.99, True, "missed"), (None, True, "not measured")),
        *((1.0, False, "reached"), (1.01, False, "missed"), (None, False, "not measured")),
    ],
)
def test_a_bound_is_reached_or_missed(measured: float | None, at_least: bool, verdict: str) -> None:
    assert Line("it", measured, 1.0, at_least).verdict == verdict
