"""What the kernels for GPUs are worth: one command that tests, checks and times them.

    python benchmarks/gpu.py [--write]

It needs an NVIDIA GPU that PyTorch sees, and nothing built: Triton compiles each kernel when it is
first called. First the tests that need a GPU run. Then layers are checked against float64 and timed
as `normkit bench --device cuda` does it (docs/bench.md): batch and group normalization with
residual and ReLU, forwards and backwards, in bfloat16 and channels-last, on the maps of ResNet-50,
beside eager, both modes of `torch.compile`, and a copy of as many bytes as must move. Then whole
training steps (`gpu_steps.py`), with their peak memory. What was measured is written after each
part, and a short table of it beside what it should be comes last.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

import gpu_steps
from networks import NETWORKS
from networks.machine import about
from normkit.bench import Bench, Settings, table
from normkit.bench.cases import DTYPES, GPU_BATCH, GPU_DTYPE, RESNET50
from normkit.bench.document import Document, this_gpu

RESULTS = Path(__file__).parent / "results" / "gpu.json"
ROOT = Path(__file__).parents[1]
METHODS = ("batch", "group")
COMPILED = ("compile", "compile_max_autotune")
LARGE = 50e6
"""Bytes of a map that no cache holds."""


@dataclass(frozen=True)
class Line:
    """A figure, or None where it was not measured, and the target, which is a bound of it."""

    what: str
    measured: float | None
    target: float
    at_least: bool = True

    @property
    def verdict(self) -> str:
        """Whether it is."""
        if self.measured is None:
            return "not measured"
        reached = self.measured >= self.target if self.at_least else self.measured <= self.target
        return "reached" if reached else "missed"


def run_tests(where: str = "tests") -> str:
    """Runs the tests that need a GPU; returns how they ended, in pytest's words.

    Args:
        where: files or folders of tests.
    """
    if find_spec("pytest") is None:
        return "not run: pytest is not installed"
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "--no-header", where]
    ran = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    print(ran.stdout, flush=True)
    last = (ran.stdout.strip().splitlines() or ["pytest said nothing"])[-1]
    if ran.returncode:
        return f"FAILED: {last}"
    # Where all are skipped, pytest is content too.
    return last if re.search(r"[1-9]\d* passed", last) else f"none passed: {last}"


def layers(settings: Settings) -> Document:
    """The bench of layers, with a line for each case on the way."""
    bench = Bench(settings)
    for event in bench.run():
        if event.case is not None:
            print(f"{event.done} of {event.total}: {event.case}", flush=True)
    found = bench.document()
    print(table.text(found, 200), flush=True)
    return found


def of_layers(document: Document) -> Iterator[Line]:
    """What the bench comes to, for each method."""
    for method in METHODS:
        cases: dict[tuple[int, ...], dict[str, Any]] = {}
        for row in document["rows"]:
            if row["method"] == method and row["median"] is not None:
                cases.setdefault(tuple(row["shape"]), {})[row["contestant"]] = row
        compared = [rows for rows in cases.values() if "normkit" in rows]
        # A path that is wrong, or raises, is in none of the means.
        asked = [row for row in document["rows"] if row["method"] == method]
        timed = [row for row in asked if row["median"] is not None]
        if asked:
            what = f"{method}: paths that are right and timed, of {len(asked)}"
            yield Line(what, len(timed), len(asked))
        yield Line(f"{method}: eager over normkit", _over(compared, "eager"), 1.8)
        for name in COMPILED:
            yield Line(f"{method}: {name} over normkit", _over(compared, name), 1.15)
        rivals = ("eager", *COMPILED)
        least = [
            min(rows[name]["median"] for name in rivals if name in rows) / rows["normkit"]["median"]
            for rows in compared
            if any(name in rows for name in rivals)
        ]
        yield Line(f"{method}: least, over the best of these", min(least, default=None), 0.95)
        large = [
            1 / rows["normkit"]["times_floor"]
            for shape, rows in cases.items()
            if "normkit" in rows and _bytes(shape, document) > LARGE
        ]
        share = min(large, default=None)
        yield Line(f"{method}: least share of the floor's speed, large maps", share, 0.80)
        errors = [
            rows["normkit"]["error"] / rows["eager"]["error"]
            for rows in compared
            if "eager" in rows and rows["eager"]["error"]
        ]
        mean = statistics.geometric_mean(errors) if errors else None
        yield Line(f"{method}: largest errors, of eager's, in the mean", mean, 1.0, at_least=False)


def _over(cases: Sequence[Mapping[str, Any]], rival: str) -> float | None:
    ratios = [rows[rival]["median"] / rows["normkit"]["median"] for rows in cases if rival in rows]
    return statistics.geometric_mean(ratios) if ratios else None


def _bytes(shape: Sequence[int], document: Document) -> int:
    row = next(row for row in document["rows"] if tuple(row["shape"]) == tuple(shape))
    return math.prod(shape) * DTYPES[row["dtype"]].itemsize


def of_steps(rows: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    """What the training steps come to. Only those of ResNet-50 are to be so much faster."""
    for row in rows:
        if row["network"] != "resnet50":
            continue
        times, far = row["ratio"], row["from_float64"]
        yield Line("ResNet-50: eager's step over fuse_'s", times["fuse_"]["median"], 1.15)
        lean = gpu_steps.memory(row, "fuse_, lean()")
        yield Line("ResNet-50: peak memory with lean(), of eager's", lean, 0.65, at_least=False)
        error = far["fuse_"]["median"] / far["eager"]["median"]
        yield Line("ResNet-50: gradients' distance, of eager's", error, 1.0, at_least=False)


def short(lines: Sequence[Line], tests: str) -> Table:
    """The last table."""
    shown = Table(title="Measured, and what it should be", title_justify="left")
    for head in ("", "measured", "should be", ""):
        shown.add_column(head, justify="left" if head == "" else "right")
    for line in lines:
        measured = "–" if line.measured is None else f"{line.measured:.3f}"
        bound = f"{'≥' if line.at_least else '≤'} {line.target:.2f}"
        shown.add_row(line.what, measured, bound, line.verdict)
    shown.add_row("tests on the GPU", "", "", tests)
    return shown


def main(arguments: Sequence[str] | None = None) -> None:
    """Test, measure, print and, if asked, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=["tests", "layers", "steps"], help="this one only")
    parser.add_argument("--method", choices=METHODS, help="layers of this one only")
    parser.add_argument("--network", choices=list(NETWORKS), help="steps of this one only")
    parser.add_argument("--batch", type=int, default=GPU_BATCH)
    parser.add_argument("--size", type=int, default=224, help="of the images of a step")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--warm-up", type=int, default=5, help="steps that are not timed")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="to try it out")
    parser.add_argument("--write", nargs="?", type=Path, const=RESULTS, help="keep the results")
    options = parser.parse_args(arguments)
    if options.warm_up < 1:
        parser.error("--warm-up must be at least 1: its last step is where the peak is taken")
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("PyTorch sees no GPU here; see `python -m torch.utils.collect_env`")
    found: dict[str, Any] = {
        "about": about() | {"gpu": this_gpu() if options.device == "cuda" else None},
        **{"tests": "not run", "layers": None, "steps": []},
    }
    print(json.dumps(found["about"]), flush=True)

    def keep() -> None:
        if options.write is not None:
            options.write.parent.mkdir(parents=True, exist_ok=True)
            options.write.write_text(json.dumps(found, indent=1) + "\n", "utf-8")

    keep()
    if options.part in (None, "tests") and options.device == "cuda":
        found["tests"] = run_tests()
        keep()
    if options.part in (None, "layers"):
        found["layers"] = layers(
            Settings(
                methods=(options.method,) if options.method else METHODS,
                shapes=RESNET50 if options.device == "cuda" else RESNET50[-2:],
                batch=options.batch,
                layouts=("channels_last",),
                dtypes=(GPU_DTYPE,),
                residuals=(True,),
                compiled=not options.no_compile,
                rounds=options.rounds,
                device=options.device,
            )
        )
        keep()
    if options.part in (None, "steps"):
        arms = [
            name
            for name, arm in gpu_steps.ARMS.items()
            if not (options.no_compile and arm.compiled)
        ]
        for name in [options.network] if options.network else sorted(NETWORKS, reverse=True):
            row = gpu_steps.measured(
                name,
                arms,
                options.batch,
                options.size,
                options.rounds,
                options.warm_up,
                options.device,
            )
            found["steps"].append(row)
            keep()
            print("\n".join(gpu_steps.told(row)), flush=True)
    lines = [*(of_layers(found["layers"]) if found["layers"] else ()), *of_steps(found["steps"])]
    Console(width=110, highlight=False).print(short(lines, found["tests"]))


if __name__ == "__main__":
    main()
