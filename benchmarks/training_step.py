"""A training step of whole networks, over PyTorch's layers and over normkit's.

    python benchmarks/training_step.py [--network resnet50] [--rounds 15] [--write]

A step is forward, cross-entropy, backward and SGD with momentum, in float32. Both sets of layers
start from the same weights, see the same batches and run in turns in one process; the ratio of
their seconds is taken round by round, and medians and quartiles are told. So are the losses, which
must agree: a step that is fast and wrong is worth nothing. Training multiplies roundings, so a
third run, over PyTorch's layers from weights that are off by a rounding, says how well they can.
Page faults are counted: they tell how much of a step's memory is new, which costs more to write.
Only the norm, with the residual and the activation that follow it, differs between the two sets;
PyTorch's are in place wherever they can be. The share of PyTorch's step that its norms and
activations take says how much there is to win.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from networks import LAYERS, NETWORKS
from networks.machine import about
from networks.training import Training, batches, disturb_, network, quartiles, ratios
from normkit.probes.cost import seconds_in_turns

RESULTS = Path(__file__).parent / "results" / "training_step.json"


@dataclass(frozen=True)
class Case:
    """A network, its layout in memory and its batch, and how much faster a step is to be."""

    network: str
    layout: str
    batch: int
    target: float | None = None


CASES = [
    Case("mobilenet_v2", "channels_last", 16, target=1.5),
    Case("mobilenet_v2", "contiguous", 16),
    Case("resnet50", "channels_last", 8, target=1.2),
    Case("resnet50", "contiguous", 8, target=1.2),
]

DISTURBED = "pytorch, disturbed"
"""The run over PyTorch's layers from weights that are off by a rounding; it is not timed."""

OPERATIONS = [
    *("aten::batch_norm", "aten::relu_", "aten::hardtanh_"),
    *(
        f"autograd::engine::evaluate_function: {name}Backward0"
        for name in ("NativeBatchNorm", "Relu", "Hardtanh")
    ),
]
"""Of PyTorch's norms and activations, with all that they call. The residual's sum is left out: it
cannot be told from other sums."""


def share(step: Callable[[], object]) -> float:
    """The part of a step's time that PyTorch's norms and activations take."""
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        step()
    events = profiled.key_averages()
    of_norms = sum(event.cpu_time_total for event in events if event.key in OPERATIONS)
    return float(of_norms / sum(event.self_cpu_time_total for event in events))


def counting(step: Callable[[], object], faults: list[int]) -> Callable[[], object]:
    """The step, which adds how many pages it was the first to touch."""

    def seen() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

    def counted() -> None:
        before = seen()
        step()
        faults.append(seen() - before)

    return counted


def measured(case: Case, size: int, rounds: int, warm_up: int) -> dict[str, Any]:
    """The steps of one network, over both sets of layers in turns."""
    data = batches(warm_up + rounds, case.batch, size, case.layout)
    arms = {name: Training(network(case.network, name, case.layout), data) for name in LAYERS}
    faults: dict[str, list[int]] = {name: [] for name in arms}
    steps = {name: counting(arm.step, faults[name]) for name, arm in arms.items()}
    seconds = seconds_in_turns(steps, rounds, warm_up)
    arms[DISTURBED] = Training(disturb_(network(case.network, "pytorch", case.layout)), data)
    for _ in data:
        arms[DISTURBED].step()
    another = Training(arms["pytorch"].model, data)
    return {
        "network": case.network,
        "layout": case.layout,
        "batch": case.batch,
        "size": size,
        "rounds": rounds,
        "milliseconds": {
            name: quartiles([1e3 * value for value in values]) for name, values in seconds.items()
        },
        "ratio": ratios(seconds["pytorch"], seconds["normkit"]),
        "target": case.target,
        "page_faults": {name: statistics.median(n[warm_up:]) for name, n in faults.items()},
        "losses": {name: arm.losses for name, arm in arms.items()},
        "share": share(another.step),
    }


def told(row: dict[str, Any]) -> str:
    """A row for the terminal."""
    what = f"{row['network']}, {row['layout']}, {row['batch']} × {row['size']}²"
    times = ", ".join(f"{n} {q['median']:.1f} ms" for n, q in row["milliseconds"].items())
    ratio, last = row["ratio"], " / ".join(f"{v[-1]:.4f}" for v in row["losses"].values())
    faults = " / ".join(f"{count:.0f}" for count in row["page_faults"].values())
    share = f"; norms and activations {row['share']:.0%}" if "share" in row else ""
    return (
        f"{what:44} {times}: {ratio['median']:.3f} [{ratio['low']:.3f}, {ratio['high']:.3f}], "
        f"target {row['target']}; last loss {last}{share}; page faults {faults}"
    )


def command(
    described: str | None,
    cases: Sequence[Case],
    measure: Callable[[Case, int, int, int], dict[str, Any]],
    results: Path,
    arguments: Sequence[str] | None,
) -> None:
    """Measures cases, prints them and, if asked, keeps them."""
    parser = argparse.ArgumentParser(description=described)
    parser.add_argument("--network", choices=list(NETWORKS), help="this one only")
    parser.add_argument("--batch", type=int, help="images a step, in place of the network's own")
    parser.add_argument("--size", type=int, default=224, help="of the images")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--warm-up", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args(arguments)
    if options.write and options.network:
        parser.error("--write keeps the rows of all networks: leave --network out")
    torch.set_num_threads(options.threads)
    rows = []
    for case in cases:
        if options.network in (None, case.network):
            batch = options.batch or case.batch
            case = Case(case.network, case.layout, batch, case.target)
            rows.append(measure(case, options.size, options.rounds, options.warm_up))
            print(told(rows[-1]), flush=True)
    if options.write:
        results.parent.mkdir(exist_ok=True)
        results.write_text(json.dumps({"about": about(), "rows": rows}, indent=1) + "\n", "utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and, if asked, keep."""
    command(__doc__, CASES, measured, RESULTS, arguments)


if __name__ == "__main__":
    main()
