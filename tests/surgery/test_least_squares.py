"""The line for each channel is numpy's, whatever the batches and however large the means."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from normkit.surgery.least_squares import LeastSquares


def sample() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(30, 3, 4, generator=generator)
    slopes = torch.tensor([2.0, -1.0, 0.5])[:, None]
    return z, slopes * z + 3 + 0.3 * torch.randn(30, 3, 4, generator=generator)


def of_channel(x: Tensor, channel: int) -> np.ndarray:
    return x[:, channel].flatten().double().numpy()


@pytest.mark.parametrize("sizes", [(30,), (7, 22, 1)], ids=["one batch", "three"])
@pytest.mark.parametrize(
    ("slope", "shift"), [(True, True), (True, False), (False, True), (False, False)]
)
def test_it_is_the_best_there_is(sizes: tuple[int, ...], slope: bool, shift: bool) -> None:
    z, y = sample()
    line = LeastSquares(slope, shift)
    for each in zip(z.split(sizes), y.split(sizes), strict=True):
        line.add(*each)
    slopes, shifts = line.solution()
    for channel in range(3):
        a, b = of_channel(z, channel), of_channel(y, channel)
        columns = [column for column, has in ((a, slope), (np.ones_like(a), shift)) if has]
        wanted = b if slope else b - a
        found = np.linalg.lstsq(np.stack(columns, 1), wanted)[0] if columns else []
        values = [float(v[channel]) for v, has in ((slopes, slope), (shifts, shift)) if has]
        np.testing.assert_allclose(values, found, rtol=1e-10)
        fitted = float(slopes[channel]) * a + float(shifts[channel])
        missed = ((b - fitted) ** 2).sum()
        np.testing.assert_allclose(float(line.missed()[channel]), missed, rtol=1e-9)


def test_a_large_mean_costs_nothing() -> None:
    z, y = sample()
    near, far = LeastSquares(True, True), LeastSquares(True, True)
    for part in (slice(0, 10), slice(10, 30)):
        near.add(z[part].double(), y[part].double())
        far.add(z[part].double() + 1e6, y[part].double() + 1e6)
    torch.testing.assert_close(far.solution()[0], near.solution()[0], rtol=1e-6, atol=0)
    torch.testing.assert_close(far.missed(), near.missed(), rtol=1e-6, atol=0)


def test_a_constant_channel_has_no_slope() -> None:
    line = LeastSquares(True, True)
    line.add(torch.full((5, 1, 2), 7.0), torch.arange(10.0).view(5, 1, 2))
    slope, shift = line.solution()
    assert (slope.item(), shift.item()) == (0.0, 4.5)
