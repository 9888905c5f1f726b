"""Statistics of windows that are cut at the ends of an axis."""

from __future__ import annotations

import pytest
import torch

from normkit.functional.windows import window_moments, window_sum


def window(x: torch.Tensor, axis: int, size: int, position: int) -> torch.Tensor:
    first = max(0, position - size // 2)
    return x.narrow(axis, first, min(x.shape[axis], position + (size - 1) // 2 + 1) - first)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("size", [*range(1, 17), 31, 1000])
def test_they_are_those_of_each_window_by_itself(axis: int, size: int) -> None:
    x = torch.randn(5, 6, 7, dtype=torch.float64)
    windows = [window(x, axis, size, position) for position in range(x.shape[axis])]
    torch.testing.assert_close(
        window_sum(x, axis, size), torch.stack([each.sum(axis) for each in windows], axis)
    )
    mean, variance = window_moments(x, torch.zeros_like(x), axis, size)
    torch.testing.assert_close(mean, torch.stack([each.mean(axis) for each in windows], axis))
    torch.testing.assert_close(
        variance, torch.stack([each.var(axis, correction=0) for each in windows], axis)
    )


def test_along_one_axis_and_then_another_they_are_those_of_a_box() -> None:
    x = torch.randn(9, 8, dtype=torch.float64)
    mean, variance = window_moments(*window_moments(x, torch.zeros_like(x), 0, 3), 1, 4)
    for position, box in (((4, 4), x[3:6, 2:6]), ((0, 0), x[:2, :2]), ((8, 7), x[7:, 5:])):
        torch.testing.assert_close(mean[position], box.mean())
        torch.testing.assert_close(variance[position], box.var(correction=0))


def test_a_window_of_one_is_the_value() -> None:
    x = torch.randn(4, 3)
    assert torch.equal(window_sum(x, 0, 1), x)


def test_variances_do_not_cancel_where_far_means_differ() -> None:
    x = torch.randn(64, dtype=torch.float64)
    x[32:] += 1e4
    _, variance = window_moments(x.float(), torch.zeros(64), 0, 9)
    expected = x.float().double().unfold(0, 9, 1).var(1, correction=0)
    torch.testing.assert_close(variance[4:-4].double(), expected, rtol=1e-3, atol=0)


def test_a_sum_of_squares_is_never_below_that_of_a_smaller_window() -> None:
    x = torch.randn(64)
    x[0] = 1e8  # Which a cumulative sum would have to take off again.
    sums = window_sum(x * x, 0, 5)
    torch.testing.assert_close(sums[2:-2], (x * x).unfold(0, 5, 1).sum(1), rtol=1e-6, atol=0)
