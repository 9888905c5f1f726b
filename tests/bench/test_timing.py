"""Spreads, and threads that are put back."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch

from normkit.bench import timing
from normkit.bench.timing import Spread, Taken, in_turns, threads


def test_a_spread_has_the_quartiles() -> None:
    assert Spread.of([3.0, 1.0, 2.0, 100.0, 0.0]) == Spread(2.0, 1.0, 3.0)


def test_a_spread_can_be_multiplied() -> None:
    assert Spread(2.0, 1.0, 3.0).times(4) == Spread(8.0, 4.0, 12.0)


def test_threads_are_put_back_even_where_something_raises() -> None:
    before = torch.get_num_threads()
    seen = []

    def work() -> None:
        with threads(before + 1):
            seen.append(torch.get_num_threads())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert seen == [before + 1]
    assert torch.get_num_threads() == before


def test_none_leaves_them() -> None:
    before = torch.get_num_threads()
    with threads(None):
        assert torch.get_num_threads() == before


def test_on_a_cpu_the_clock_is_that_on_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(100))
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(now)))
    assert in_turns({"a": int, "b": int}, 2, 1, "cpu") == {name: [Taken(1.0)] * 2 for name in "ab"}


class Gpu:
    """A GPU as far as the clock asks it: work is queued, and done in order.

    The host is at `now`, and the GPU is done with what it was given at `done`, in seconds.
    """

    def __init__(self, to_queue: float, to_run: float) -> None:
        self.to_queue, self.to_run = to_queue, to_run
        self.now = self.done = 0.0
        self.waits: list[float] = []

    def synchronize(self) -> None:
        self.now = self.done = max(self.now, self.done)

    def wait(self, cycles: int) -> None:
        self.waits.append(cycles / timing._CYCLES)
        self.done = max(self.now, self.done) + self.waits[-1]

    def step(self) -> None:
        for _ in range(10):
            self.now += self.to_queue / 10
            self.done = max(self.now, self.done) + self.to_run / 10

    def event(self, enable_timing: bool) -> Any:
        assert enable_timing
        return Event(self)


class Event:
    def __init__(self, gpu: Gpu) -> None:
        self.gpu, self.at = gpu, 0.0

    def record(self) -> None:
        self.at = max(self.gpu.now, self.gpu.done)

    def query(self) -> bool:
        return self.gpu.now >= self.at

    def elapsed_time(self, end: Event) -> float:
        return 1e3 * (end.at - self.at)


@pytest.mark.parametrize("to_queue", [0.0002, 0.003, 0.5])
def test_on_a_gpu_the_host_is_ahead_so_that_the_time_is_the_kernels_own(
    to_queue: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = Gpu(to_queue, to_run=0.0001)
    monkeypatch.setattr(torch.cuda, "Event", gpu.event)
    monkeypatch.setattr(torch.cuda, "synchronize", gpu.synchronize)
    monkeypatch.setattr(torch.cuda, "_sleep", gpu.wait, raising=False)
    monkeypatch.setattr(time, "perf_counter", lambda: gpu.now)
    [taken] = in_turns({"step": gpu.step}, 1, 0, "cuda")["step"]
    assert taken.seconds == pytest.approx(0.0001)
    assert taken.host == pytest.approx(to_queue)
    assert gpu.waits[-1] > to_queue
    assert len(gpu.waits) == (1 if to_queue < timing._LEAD else 2)
