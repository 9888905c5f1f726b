"""What the harness costs: a trial against a bare PyTorch loop, and two workers against one.

    python benchmarks/harness.py [--write]

The bare loop does the same work: the same network, batches gathered from the same tensors, the
same evaluations at the same steps. Both run in one process with one thread, in turns; the ratio of
their seconds is taken pair by pair, and the median is told. The throughput is that of one engine
with one worker and with two, in turns, on the same trials.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

import normkit
from normkit.data import Dataset, prepare
from normkit.models import build
from normkit.study import train
from normkit.study.engine import Engine, Task
from normkit.study.spec import TrialSpec

RESULTS = Path(__file__).parent / "results" / "harness.json"


def trial(data: Dataset, norm: str, seed: int = 0, steps: int = 200) -> TrialSpec:
    """A trial of the default study."""
    return TrialSpec(
        data=data.fingerprint,
        model="plain",
        norm=norm,
        seed=seed,
        rate=0.01,
        steps=steps,
        batch=32,
        init="he",
        test="end",
    )


def bare_loop(spec: TrialSpec, data: Dataset) -> None:
    """What someone would write by hand to train and evaluate the same network."""
    torch.manual_seed(spec.seed)
    model = build(
        spec.model,
        num_classes=len(data.classes),
        in_channels=data.channels,
        image_size=data.image_size,
        norm=spec.norm,
        init=spec.init,
    )
    raw, labels = data.tensors()
    images = data.standardise(raw)
    indices = torch.as_tensor(data.train)
    fixed = indices[torch.randperm(len(indices))[: train.EVALUATED_IMAGES]]
    optimizer = torch.optim.SGD(model.parameters(), lr=spec.rate, momentum=spec.momentum)

    def evaluate(part: torch.Tensor) -> None:
        model.eval()
        with torch.no_grad():
            logits = model(images[part])
            F.cross_entropy(logits, labels[part]).item()
            (logits.argmax(1) == labels[part]).float().mean().item()
        model.train()

    points = set(train.checkpoints(spec.steps, spec.test))
    evaluate(fixed)
    step = 0
    while step < spec.steps:
        order = indices[torch.randperm(len(indices))]
        whole = order[: len(order) // spec.batch * spec.batch]
        for batch in whole.view(-1, spec.batch):
            loss = F.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            loss.item()
            step += 1
            if step in points:
                evaluate(fixed)
            if step == spec.steps:
                break
    evaluate(torch.as_tensor(data.validation))
    evaluate(torch.as_tensor(data.test))


def overhead(data: Dataset, norm: str, rounds: int) -> dict[str, Any]:
    """Seconds of a trial over those of the bare loop, in turns."""
    spec = trial(data, norm)
    runs: dict[str, Callable[[], object]] = {
        "trial": partial(train.run, spec, (), data),
        "bare": partial(bare_loop, spec, data),
    }
    for run in runs.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds):
        for name in sorted(runs, reverse=bool(turn % 2)):
            start = time.perf_counter()
            runs[name]()
            seconds[name].append(time.perf_counter() - start)
    ratios = [a / b for a, b in zip(seconds["trial"], seconds["bare"], strict=True)]
    return {
        "question": "seconds of a trial over a bare PyTorch loop",
        "norm": norm,
        "ratio": statistics.median(ratios),
        "low": min(ratios),
        "high": max(ratios),
        "rounds": rounds,
        "milliseconds_per_step": 1e3 * statistics.median(seconds["trial"]) / spec.steps,
        "target": 1.10,
    }


def throughput(data: Dataset, rounds: int, trials: int = 12) -> dict[str, Any]:
    """Trials per second of two workers over one, in turns; starting them is not counted."""
    tasks = [Task(trial(data, ("none", "batch")[i % 2], seed=i)) for i in range(trials)]
    seconds: dict[int, list[float]] = {1: [], 2: []}
    with Engine(data.folder, 1) as one, Engine(data.folder, 2) as two:
        engines = {1: one, 2: two}
        for engine in engines.values():
            list(engine.run(tasks[:2]))
        for turn in range(rounds):
            for workers in (1, 2) if turn % 2 else (2, 1):
                start = time.perf_counter()
                list(engines[workers].run(tasks))
                seconds[workers].append(time.perf_counter() - start)
    ratios = [a / b for a, b in zip(seconds[1], seconds[2], strict=True)]
    return {
        "question": "throughput of two workers over one",
        "ratio": statistics.median(ratios),
        "low": min(ratios),
        "high": max(ratios),
        "rounds": rounds,
        "trials": trials,
        "target": 1.8,
    }


def main() -> None:
    """Measure, print and, if asked, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = prepare("digits")
    rows = [overhead(data, norm, options.rounds) for norm in ("none", "batch")]
    rows.append(throughput(data, options.rounds))
    for row in rows:
        what = row["question"] + (f" ({row['norm']})" if "norm" in row else "")
        print(
            f"{what:58} {row['ratio']:.3f}  [{row['low']:.3f}, {row['high']:.3f}]  "
            f"target {row['target']}"
        )
    if options.write:
        about = {
            "normkit": normkit.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "cores": os.cpu_count(),
        }
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
