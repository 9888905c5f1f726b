"""What the kernels for GPUs are worth: one command that checks, times and tests them.

    python benchmarks/gpu.py [--write]

It needs an NVIDIA GPU that PyTorch sees, and nothing built: Triton compiles each kernel when it is
first called. First layers are checked against float64 and timed as `normkit bench --device cuda`
does it (docs/bench.md): batch and group normalization with residual and ReLU, forwards and
backwards, in bfloat16 and channels-last, on the maps of ResNet-50, beside eager, both modes of
`torch.compile`, and a copy of as many bytes as must move. Then whole training steps
(`gpu_steps.py`), with their peak memory, and the tests of the kernels that need a GPU. Results are
written after each case, into what the same device and versions wrote before, so that parts can be
run one by one; a short table of all of it beside what it should be comes last.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

import gpu_steps
from gpu_figures import Line, of_layers, of_steps, short
from networks import NETWORKS
from networks.machine import about
from normkit.bench import Bench, Settings, table
from normkit.bench.cases import GPU_BATCH, GPU_DTYPE, RESNET50
from normkit.bench.document import Document, this_gpu

RESULTS = Path(__file__).parent / "results" / "gpu.json"
ROOT = Path(__file__).parents[1]
METHODS = ("batch", "group")


class Results:
    """What was measured so far, in a file where one is asked for.

    Args:
        path: of the file, or None. What it has of the same device and versions is kept.
        where: the device and the versions.
    """

    def __init__(self, path: Path | None, where: dict[str, Any]) -> None:
        self._path = path
        self.found: dict[str, Any] = {"about": where, "layers": {}, "steps": {}, "tests": "not run"}
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            before = json.loads(path.read_text("utf-8")) if path.exists() else {}
            if before.get("about") == where:
                self.found = before

    def keep(self, part: str, name: str | None, what: Any) -> None:
        """Takes something in, in place of what there was of it."""
        if name is None:
            self.found[part] = what
        else:
            self.found[part][name] = what
        if self._path is not None:
            self._path.write_text(json.dumps(self.found, indent=1) + "\n", "utf-8")

    def lines(self) -> list[Line]:
        """What it comes to."""
        layers, steps = self.found["layers"], self.found["steps"]
        lines = [line for name in layers for line in of_layers(name, layers[name]["rows"])]
        return [*lines, *(of_steps(steps["resnet50"]) if "resnet50" in steps else ())]


def layers(settings: Settings, keep: Callable[[Document], None]) -> None:
    """The bench of layers, with a line for each case on the way."""
    bench = Bench(settings)
    for event in bench.run():
        if event.case is not None:
            print(f"{event.done} of {event.total}: {event.case}", flush=True)
            keep(bench.document())
    print(table.text(bench.document(), 200), flush=True)


def run_tests(where: str = "tests/kernels") -> str:
    """Runs the tests that need a GPU; returns how they ended, in pytest's words.

    Args:
        where: a file or folder of tests.
    """
    if find_spec("pytest") is None:
        return "not run: pytest is not installed"
    # Most of their time goes to compiling.
    several = ["-n", "8"] if find_spec("xdist") else []
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "--no-header", *several, where]
    last = "pytest said nothing"
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as ran:
        assert ran.stdout is not None
        for line in ran.stdout:
            print(line, end="", flush=True)
            last = line.strip() or last
    if ran.returncode:
        return f"FAILED: {last}"
    # Where all are skipped, pytest is content too.
    return last if re.search(r"[1-9]\d* passed", last) else f"none passed: {last}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, test, print and, if asked, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=["layers", "steps", "tests"], help="this one only")
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
    on_gpu = options.device == "cuda"
    if on_gpu and not torch.cuda.is_available():
        parser.error("PyTorch sees no GPU here; see `python -m torch.utils.collect_env`")
    results = Results(options.write, about() | {"gpu": this_gpu() if on_gpu else None})
    print(json.dumps(results.found["about"]), flush=True)
    if options.part in (None, "layers"):
        for method in [options.method] if options.method else METHODS:
            settings = Settings(
                methods=(method,),
                shapes=RESNET50 if on_gpu else RESNET50[-2:],
                batch=options.batch,
                layouts=("channels_last",),
                dtypes=(GPU_DTYPE,),
                residuals=(True,),
                compiled=not options.no_compile,
                rounds=options.rounds,
                device=options.device,
            )
            layers(settings, partial(results.keep, "layers", method))
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
            results.keep("steps", name, row)
            print("\n".join(gpu_steps.told(row)), flush=True)
    if options.part in (None, "tests") and on_gpu:
        results.keep("tests", None, run_tests())
    told = short(results.lines(), results.found["tests"])
    Console(width=110, highlight=False).print(told)


if __name__ == "__main__":
    main()
