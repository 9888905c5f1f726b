"""Seconds and their spread, on a device, with the number of threads that was asked for."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch

from normkit.probes import cost

Step = Callable[[], object]

_LEAD = 1e-3
"""Seconds that a GPU is kept waiting, in which the host queues a step: several times what it needs
for a layer."""
_TRIES = 4
_CYCLES = 2e9
"""Of a GPU's clock in a second, at the most: it waits at least as long as it is asked to."""


class Taken(NamedTuple):
    """What a step took, in seconds.

    Attributes:
        seconds: the device's time.
        host: on a GPU, the time until the host has queued the step; None on a CPU.
    """

    seconds: float
    host: float | None = None


def in_turns(
    steps: Mapping[str, Step], rounds: int, warm_up: int, device: str
) -> dict[str, list[Taken]]:
    """Times steps in turns: name → what each round took.

    Args:
        steps: name → a function that performs one step.
        rounds: how many times each is timed.
        warm_up: how many times each runs before.
        device: `cpu` or `cuda`.

    >>> [taken.host for taken in in_turns({"a": lambda: None}, 2, 0, "cpu")["a"]]
    [None, None]
    """
    return cost.in_turns(steps, rounds, warm_up, on_gpu if device == "cuda" else on_cpu)


def on_cpu(step: Step) -> Taken:
    """By the clock on the wall."""
    return Taken(cost.seconds(step))


def on_gpu(step: Step) -> Taken:
    """By events on the GPU, which is kept waiting until the host has queued the whole step.

    So it is the time of the kernels, as in a network, where the host is ahead; what the host takes
    is told beside it. Where the host was not done in time, it is tried again with a longer wait; a
    step that waits for the GPU itself has its pauses counted.
    """
    lead = _LEAD
    for _ in range(_TRIES):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        torch.cuda.synchronize()
        torch.cuda._sleep(int(lead * _CYCLES))  # type: ignore[no-untyped-call]
        start.record()
        began = time.perf_counter()
        step()
        host = time.perf_counter() - began
        was_ahead = not start.query()  # type: ignore[no-untyped-call]
        end.record()
        torch.cuda.synchronize()
        if was_ahead:
            break
        lead = 2 * max(lead, host)
    return Taken(start.elapsed_time(end) / 1e3, host)


@dataclass(frozen=True)
class Spread:
    """The median of some seconds and the quartiles around it."""

    median: float
    q25: float
    q75: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Spread:
        """The spread of at least one value.

        >>> Spread.of([4.0, 1.0, 2.0, 3.0, 5.0])
        Spread(median=3.0, q25=2.0, q75=4.0)
        >>> Spread.of([2.0])
        Spread(median=2.0, q25=2.0, q75=2.0)
        """
        # A single value has no quartiles but itself.
        values = list(seconds) * (2 if len(seconds) == 1 else 1)
        q25, median, q75 = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, q25, q75)

    def times(self, factor: float) -> Spread:
        """All three multiplied."""
        return Spread(self.median * factor, self.q25 * factor, self.q75 * factor)


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Give PyTorch a number of threads, and the old one back; None leaves it as it is."""
    before = torch.get_num_threads()
    if count is None:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
