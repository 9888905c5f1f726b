"""A training step of stock networks on a GPU: as they are, compiled, fused, and lean.

`gpu.py` runs this. The networks are written like torchvision's, over PyTorch's own layers
(`zoo/plain`); forward passes are under autocast to bfloat16, in channels-last. All arms start from
the same weights, see the same batches and run in turns in one process. Peak memory is what the
allocator gave out at most in a step of one arm, with the arm's own parameters, their gradients and
the optimizer's state, and without those of the others and the batches.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

import normkit as nk
from fuse import STOCK
from lean import difference
from networks.training import LAYOUTS, Batch, Training, batches, disturb_, quartiles, ratios
from normkit.probes.cost import seconds_in_turns

LAYOUT = "channels_last"
DTYPE = torch.bfloat16
CHECKED = 16
"""Images of the batch on which gradients are compared with those in float64."""

Around = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True)
class Arm:
    """What is done to a stock network before it is trained, and what its forward runs in.

    Gradients of a compiled network are not compared: it would be compiled once more for the few
    images on which they are.
    """

    change: Callable[[nn.Module, Batch], nn.Module]
    around: Around = nullcontext
    compiled: bool = False


def _fused(model: nn.Module, batch: Batch) -> nn.Module:
    nk.fuse_(model, batch[0])
    return model


def _compiled(model: nn.Module, batch: Batch) -> nn.Module:
    model.compile(dynamic=False)
    return model


ARMS: Mapping[str, Arm] = MappingProxyType(
    {
        "eager": Arm(lambda model, batch: model),
        "compile": Arm(_compiled, compiled=True),
        "fuse_": Arm(_fused),
        "fuse_, lean()": Arm(_fused, nk.lean),
    }
)
"""Name → arm; the first is what the others are compared with."""
STOCK_ARM, *_ = ARMS
DISTURBED = "eager, disturbed"
"""A run from weights that are off by a rounding, which is not timed: see `disturb_`."""


@contextmanager
def mixed(device: str, around: Around) -> Iterator[None]:
    """Autocast to bfloat16, inside of what an arm asks for."""
    with around(), torch.autocast(device, DTYPE):
        yield


def network(name: str, device: str) -> nn.Module:
    """A stock network in training mode, its first weights always the same."""
    torch.manual_seed(0)
    model = STOCK[name]().to(device)
    return model.to(memory_format=LAYOUTS[LAYOUT])  # type: ignore[call-overload, no-any-return]


def measured(
    name: str,
    arms: Sequence[str],
    batch: int,
    size: int,
    rounds: int,
    warm_up: int,
    device: str,
) -> dict[str, Any]:
    """The steps of one network, through each arm in turns."""
    data = batches(warm_up + rounds, batch, size, LAYOUT, device)
    few = (data[0][0][:CHECKED], data[0][1][:CHECKED])
    exact = Training(network(name, device).double(), [(few[0].double(), few[1])]).gradients()
    trainings: dict[str, Training] = {}
    peaks: dict[str, int | None] = {}
    found: dict[str, dict[str, Tensor]] = {}
    for arm in arms:
        around = partial(mixed, device, ARMS[arm].around)
        before = _allocated(device)
        trainings[arm] = Training(ARMS[arm].change(network(name, device), data[0]), data, around)
        peaks[arm] = _peak(trainings[arm], warm_up, before, device)
        if not ARMS[arm].compiled:
            # Of another copy, whose weights are still the first.
            model = ARMS[arm].change(network(name, device), data[0])
            found[arm] = Training(model, [few], around).gradients()
    from_float64 = {arm: distances(of, exact) for arm, of in found.items()}
    from_eager = {arm: distances(of, found[STOCK_ARM]) for arm, of in found.items()}
    del exact, found
    steps = {arm: _awaited(training.step, device) for arm, training in trainings.items()}
    seconds = seconds_in_turns(steps, rounds, warm_up=0)
    again = Training(disturb_(network(name, device)), data, partial(mixed, device, nullcontext))
    for _ in data:
        again.step()
    losses = {arm: training.losses for arm, training in trainings.items()}
    return {
        "network": name,
        "layout": LAYOUT,
        "batch": batch,
        "size": size,
        "rounds": rounds,
        "milliseconds": {
            arm: quartiles([1e3 * value for value in values]) for arm, values in seconds.items()
        },
        "ratio": {arm: ratios(seconds[STOCK_ARM], values) for arm, values in seconds.items()},
        "peak_bytes": peaks,
        "from_float64": from_float64,
        "from_eager": from_eager,
        "losses": losses | {DISTURBED: again.losses},
    }


def distances(of: Mapping[str, Tensor], true: Mapping[str, Tensor]) -> dict[str, float]:
    """Quartiles over the parameters of a gradient's relative distance from the true one."""
    return quartiles([difference({name: of[name]}, {name: true[name]}) for name in true])


def _awaited(step: Callable[[], None], device: str) -> Callable[[], None]:
    """The step, and a wait until the device has done it."""

    def awaited() -> None:
        step()
        if device == "cuda":
            torch.cuda.synchronize()

    return awaited


def _allocated(device: str) -> int:
    if device != "cuda":
        return 0
    gc.collect()  # What an earlier arm has left is not to be freed during the next one.
    torch.cuda.synchronize()
    return torch.cuda.memory_allocated()


def _peak(training: Training, warm_up: int, before: int, device: str) -> int | None:
    """Bytes at most in the last of the first steps; None where the device does not tell."""
    for index in range(warm_up):
        if device == "cuda" and index == warm_up - 1:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        training.step()
    return torch.cuda.max_memory_allocated() - before if device == "cuda" else None


def told(row: Mapping[str, Any]) -> Iterator[str]:
    """A row for the terminal, a line for each arm."""
    yield f"{row['network']}, {row['layout']}, bfloat16, {row['batch']} × {row['size']}²"
    for arm, times in row["milliseconds"].items():
        ratio, peak, far = row["ratio"][arm], memory(row, arm), row["from_float64"].get(arm)
        line = (
            f"  {arm:14} {times['median']:8.1f} ms, eager over it {ratio['median']:.3f} "
            f"[{ratio['low']:.3f}, {ratio['high']:.3f}], last loss {row['losses'][arm][-1]:.4f}"
        )
        if peak is not None:
            line += f", peak {row['peak_bytes'][arm] / 2**30:.2f} GiB ({peak:.3f} of eager's)"
        if far is not None:
            line += f", gradients off float64's by {far['median']:.1e} [to {far['high']:.1e}]"
        yield line
    yield f"  {DISTURBED:14} last loss {row['losses'][DISTURBED][-1]:.4f}"


def memory(row: Mapping[str, Any], arm: str) -> float | None:
    """An arm's peak over that of eager; None where it was not taken."""
    peak, stock = row["peak_bytes"][arm], row["peak_bytes"][STOCK_ARM]
    return None if peak is None or stock is None else float(peak / stock)
