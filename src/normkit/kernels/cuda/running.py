"""Running statistics, moved by those of a batch."""

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl
from torch import Tensor

from normkit.kernels.cuda import checks, tiles
from normkit.kernels.cuda.parts import narrowed


class Running(NamedTuple):
    """What is moved by a batch's statistics, as `update_running` does."""

    mean: Tensor | None
    variance: Tensor | None
    batches: Tensor | None
    momentum: float

    def options(self, mean: Tensor, variance: Tensor) -> dict[str, Any]:
        """What a kernel is told that moves them by the statistics of a batch."""
        checks.check_running(self.mean, self.variance, self.batches, mean, variance)
        return {
            "running_mean": self.mean,
            "running_var": self.variance,
            "batches": self.batches,
            "statistics": len(mean),
            "momentum": self.momentum,
        }


def update_running(
    running_mean: Tensor | None,
    running_var: Tensor | None,
    num_batches_tracked: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    momentum: float,
) -> None:
    """running + momentum · (batch − running), and one more counted, if all of it is finite."""
    checks.check_running(running_mean, running_var, num_batches_tracked, mean, variance)
    kept = (running_mean, running_var, num_batches_tracked)
    move[(1,)](*kept, mean, variance, len(mean), momentum, 1024, **tiles.COMPILED)


@triton.jit
def move(
    running_mean,
    running_var,
    count,
    mean,
    variance,
    size,
    momentum: tl.float64,
    SIZE: tl.constexpr,
):
    """running + momentum · (batch − running), and one more counted, if all of it is finite.

    By one program, since a single value decides for all.
    """
    broken = tl.zeros([SIZE], tl.int32)
    for start in range(0, size, SIZE):
        at = start + tl.arange(0, SIZE)
        if running_mean is not None:
            broken += _is_broken(_moved(running_mean, mean, at, size, momentum))
        if running_var is not None:
            broken += _is_broken(_moved(running_var, variance, at, size, momentum))
    is_finite = tl.sum(broken, 0) == 0
    for start in range(0, size, SIZE):
        at = start + tl.arange(0, SIZE)
        inside = tl.where(at < size, is_finite, False)
        if running_mean is not None:
            tl.store(running_mean + at, _moved(running_mean, mean, at, size, momentum), inside)
        if running_var is not None:
            tl.store(running_var + at, _moved(running_var, variance, at, size, momentum), inside)
    if count is not None:
        tl.store(count, tl.load(count) + 1, is_finite)


@triton.jit
def _is_broken(value):
    """1 of a NaN or an infinity, else 0."""
    exact = value.to(tl.float32) if value.dtype != tl.float64 else value
    return (exact - exact != 0).to(tl.int32)


@triton.jit
def _moved(running, batch, at, size, momentum):
    """Where a statistic moves to, in its own precision."""
    before = tl.load(running + at, at < size, 0).to(tl.float64)
    to = tl.load(batch + at, at < size, 0)
    # From the nearer end, so that a momentum of one gives the batch's to the last bit.
    near = before + momentum * (to - before)
    far = to - (1 - momentum) * (to - before)
    return narrowed(tl.where(momentum < 0.5, near, far), running)
