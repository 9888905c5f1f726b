"""A training step of stock networks, before `fuse_` and after it.

    python benchmarks/fuse.py [--network resnet50] [--rounds 15] [--write]

The networks are written like torchvision's, with its modules, its order of calls and its in-place
activations, over PyTorch's own layers (`zoo/plain`). Nothing but the one call of `fuse_` differs
between the two arms: both start from the same weights, see the same batches and run in turns in one
process, and the ratio of their seconds is taken round by round. The losses are told, which must
agree as well as those of two runs do whose weights differ by a rounding.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

import normkit as nk
from networks.training import LAYOUTS, Training, batches, disturb_, quartiles, ratios
from normkit.probes.cost import seconds_in_turns
from training_step import CASES, Case, command, counting
from zoo.plain.mobilenet_v2 import mobilenet_v2
from zoo.plain.resnet import resnet50

RESULTS = Path(__file__).parent / "results" / "fuse.json"

STOCK: Mapping[str, Callable[[], nn.Module]] = MappingProxyType(
    {"mobilenet_v2": mobilenet_v2, "resnet50": resnet50}
)
"""Name → the network, as torchvision has it."""

DISTURBED = "stock, disturbed"
"""The run from weights that are off by a rounding; it is not timed."""


def network(case: Case) -> nn.Module:
    """A stock network in training mode, its first weights always the same."""
    torch.manual_seed(0)
    model = STOCK[case.network]()
    return model.to(memory_format=LAYOUTS[case.layout])  # type: ignore[call-overload, no-any-return]


def measured(case: Case, size: int, rounds: int, warm_up: int) -> dict[str, Any]:
    """The steps of one network, as it is and fused, in turns."""
    data = batches(warm_up + rounds, case.batch, size, case.layout)
    fused = network(case)
    surgery = nk.fuse_(fused, data[0][0])
    arms = {"stock": Training(network(case), data), "fused": Training(fused, data)}
    faults: dict[str, list[int]] = {name: [] for name in arms}
    steps = {name: counting(arm.step, faults[name]) for name, arm in arms.items()}
    seconds = seconds_in_turns(steps, rounds, warm_up)
    arms[DISTURBED] = Training(disturb_(network(case)), data)
    for _ in data:
        arms[DISTURBED].step()
    done = [site.done or "" for site in surgery.sites]
    return {
        "network": case.network,
        "layout": case.layout,
        "batch": case.batch,
        "size": size,
        "rounds": rounds,
        "sites": {
            "norms": len(done),
            "in one call": sum("in one call" in each for each in done),
            "with residual": sum("residual" in each for each in done),
        },
        "milliseconds": {
            name: quartiles([1e3 * value for value in values]) for name, values in seconds.items()
        },
        "ratio": ratios(seconds["stock"], seconds["fused"]),
        "target": case.target,
        "page_faults": {name: statistics.median(n[warm_up:]) for name, n in faults.items()},
        "losses": {name: arm.losses for name, arm in arms.items()},
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and, if asked, keep."""
    command(__doc__, CASES, measured, RESULTS, arguments)


if __name__ == "__main__":
    main()
