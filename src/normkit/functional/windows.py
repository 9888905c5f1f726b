"""Statistics of the windows along an axis, each cut to the axis where it reaches over an end.

The window of `size` values around value i goes from i − size // 2 to i + (size − 1) // 2.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Parts = tuple[Tensor, ...]
"""What is known of each window: one tensor per statistic."""

Join = Callable[[Parts, Parts, int, int], Parts]
"""What is known of two windows side by side, and their sizes → of both together."""


def window_sum(x: Tensor, axis: int, size: int) -> Tensor:
    """The sum of the values in the window around each.

    >>> window_sum(torch.tensor([1.0, 2.0, 3.0, 4.0]), 0, 3)
    tensor([3., 6., 9., 7.])
    """
    before, after = _reach(x.shape[axis], size)

    def join(left: Parts, right: Parts, left_size: int, right_size: int) -> Parts:
        return (left[0] + right[0],)

    return _joined((_padded(x, axis, before, after),), axis, before + 1 + after, join)[0]


def window_moments(mean: Tensor, variance: Tensor, axis: int, size: int) -> tuple[Tensor, Tensor]:
    """Mean and variance of the window around each of several equally large sets of values.

    Two neighbouring windows are joined by the variances within them and the difference of their
    means, which does not cancel: not where the mean is large against the spread, nor where it
    differs more between far windows than within one.

    Args:
        mean: of each set.
        variance: of each set, biased; 0 where each is a single value.
        axis: along which the sets lie.
        size: how many sets a window has, where it is not cut.

    >>> x = torch.tensor([1.0, 3.0, 5.0])
    >>> mean, variance = window_moments(x, torch.zeros(3), 0, 3)
    >>> mean
    tensor([2., 3., 4.])
    >>> variance
    tensor([1.0000, 2.6667, 1.0000])
    """
    length = mean.shape[axis]
    before, after = _reach(length, size)
    shape = [1] * mean.ndim
    shape[axis] = -1
    start = torch.arange(-before, length + after, dtype=mean.dtype, device=mean.device)

    def join(left: Parts, right: Parts, left_size: int, right_size: int) -> Parts:
        # The sets that the windows hold, those beyond the ends not counted.
        first = start[: left[0].shape[axis]]
        middle = (first + left_size).clamp(0, length)
        last = (first + left_size + right_size).clamp(0, length)
        both = (last - first.clamp(0, length)).clamp(min=1)
        share = ((last - middle) / both).reshape(shape)
        step = right[0] - left[0]
        within = left[1] * (1 - share) + right[1] * share
        return left[0] + step * share, within + step * step * (share * (1 - share))

    padded = (_padded(mean, axis, before, after), _padded(variance, axis, before, after))
    joined = _joined(padded, axis, before + 1 + after, join)
    return joined[0], joined[1]


def _reach(length: int, size: int) -> tuple[int, int]:
    """How many values a window has before and after its own, those it can never meet left out."""
    return min(size // 2, length - 1), min((size - 1) // 2, length - 1)


def _padded(x: Tensor, axis: int, before: int, after: int) -> Tensor:
    # F.pad counts from the last axis, each with a number before it and one after.
    return F.pad(x, (*(0, 0) * (x.ndim - 1 - axis), before, after))


def _joined(parts: Parts, axis: int, size: int, join: Join) -> Parts:
    """What is known of all windows of `size` values, from what is known of each value.

    Windows of 1, 2, 4, 8, … values are joined from two of half their size, and that of `size` from
    those its binary digits name: the number of steps grows with the logarithm of the size, and no
    step subtracts one sum from another, as those by cumulative sums do.
    """

    def joined(left: Parts, right: Parts, left_size: int, right_size: int) -> Parts:
        count = right[0].shape[axis] - left_size
        return join(
            tuple([part.narrow(axis, 0, count) for part in left]),
            tuple([part.narrow(axis, left_size, count) for part in right]),
            left_size,
            right_size,
        )

    power, power_size = parts, 1
    found, found_size = parts, 0
    while True:
        if size & power_size:
            found = joined(found, power, found_size, power_size) if found_size else power
            found_size += power_size
        if found_size == size:
            return found
        power = joined(power, power, power_size, power_size)
        power_size *= 2
