"""What `nk.lean()` saves and costs: ResNet-50 over PyTorch's layers, normkit's, and inside it.

    python benchmarks/lean.py [--rounds 15] [--write]

Bytes held between forward and backward are those that the allocator gave out and did not get back:
each storage once, parameters, buffers and the batch left out. Gradients are compared with those
over PyTorch's layers, parameter by parameter, as the norm of the difference over the norm of the
gradient, and the largest is told; how far float32 is off at all, the same against PyTorch's layers
in float64 says. Steps are timed in turns in one process, and their ratios taken round by round.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import normkit as nk
from networks.held import bytes_held
from networks.machine import about
from networks.training import LAYOUTS, Training, batches, network, quartiles, ratios
from normkit.probes.cost import seconds_in_turns

RESULTS = Path(__file__).parent / "results" / "lean.json"
NETWORK = "resnet50"
BYTES, TIME = 0.56, 1.05
"""Of what PyTorch's layers hold, and of their time, a step inside `nk.lean()` may take."""


def arms() -> dict[str, tuple[str, Callable[[], AbstractContextManager[object]]]]:
    """Name → the set of layers, and what the forward pass runs in."""
    return {
        "PyTorch": ("pytorch", nullcontext),
        "normkit": ("normkit", nullcontext),
        "normkit, `lean()`": ("normkit", nk.lean),
    }


def difference(of: Mapping[str, Tensor], true: Mapping[str, Tensor]) -> float:
    """The largest relative difference of a parameter's gradient."""
    return max(
        float((of[name].double() - value.double()).norm() / value.double().norm())
        for name, value in true.items()
    )


def measured(layout: str, batch: int, size: int, rounds: int, warm_up: int) -> list[dict[str, Any]]:
    """A row for each arm, in one layout."""
    data = batches(warm_up + rounds, batch, size, layout)
    trainings = {
        name: Training(network(NETWORK, layers, layout), data, around)
        for name, (layers, around) in arms().items()
    }
    exact = Training(
        copy.deepcopy(trainings["PyTorch"].model).double(),
        [(images.double(), labels) for images, labels in data[:1]],
    ).gradients()
    gradients = {name: training.gradients() for name, training in trainings.items()}
    from_pytorch = {name: difference(of, gradients["PyTorch"]) for name, of in gradients.items()}
    from_float64 = {name: difference(of, exact) for name, of in gradients.items()}
    del exact, gradients
    held = {name: bytes_held(training.forward) for name, training in trainings.items()}
    steps: dict[str, Callable[[], object]] = {name: t.step for name, t in trainings.items()}
    seconds = seconds_in_turns(steps, rounds, warm_up)
    return [
        {
            "network": NETWORK,
            "layout": layout,
            "batch": batch,
            "size": size,
            "rounds": rounds,
            "layers": name,
            "bytes": held[name],
            "bytes_ratio": held[name] / held["PyTorch"],
            "bytes_target": BYTES if "lean" in name else None,
            "milliseconds": quartiles([1e3 * value for value in seconds[name]]),
            "time_ratio": ratios(seconds[name], seconds["PyTorch"]),
            "time_target": TIME if "lean" in name else None,
            "from_pytorch": from_pytorch[name],
            "from_float64": from_float64[name],
            "last_loss": trainings[name].losses[-1],
        }
        for name in trainings
    ]


def told(row: dict[str, Any]) -> str:
    """A row for the terminal."""
    time = row["time_ratio"]
    return (
        f"{row['layout']:14} {row['layers']:18} {row['bytes'] / 2**20:8.1f} MiB "
        f"({row['bytes_ratio']:.3f})  {row['milliseconds']['median']:.1f} ms "
        f"({time['median']:.3f} [{time['low']:.3f}, {time['high']:.3f}])  gradients off by "
        f"{row['from_pytorch']:.1e}, from float64 {row['from_float64']:.1e}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and, if asked, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=224, help="of the images")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--warm-up", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    rows = []
    for layout in LAYOUTS:
        rows += measured(layout, options.batch, options.size, options.rounds, options.warm_up)
        print("\n".join(map(told, rows[-len(arms()) :])), flush=True)
    if options.write:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps({"about": about(), "rows": rows}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
