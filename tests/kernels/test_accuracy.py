"""Rounding errors against float64, also where the mean is large against the spread.

PyTorch's own are up to thousands of times as large there, and of the same size elsewhere.
"""

from __future__ import annotations

import pytest
import torch
from tests.kernels.calls import LAYOUTS, METHODS, Call, Method, call, plainly, taken

SHAPE = (8, 18, 28, 28)
ULP = torch.finfo(torch.float32).eps


def without_upstream_at_the_bend(one: Call) -> Call:
    """Where rounding decides on which side of a ReLU a value is, the upstream gradient is 0."""
    before = one.in_float64()
    before.act = None
    with torch.no_grad():
        bend = plainly(before.output).abs() < 1e-2
    assert one.upstream is not None
    one.upstream = one.upstream.masked_fill(bend, 0)
    return one


@pytest.mark.parametrize("mean", [0.0, 10.0, 1000.0])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("method", METHODS, ids=str)
def test_no_error_is_larger_than_four_units_in_the_last_place_of_the_largest_value(
    method: Method, layout: str, mean: float
) -> None:
    if method.is_trailing and layout != "contiguous":
        return
    one = call(method, SHAPE, layout=layout, act="relu", residual=True, mean=mean)
    one = without_upstream_at_the_bend(one)
    expected = plainly(one.in_float64().results)
    with taken():
        got = one.results()
    for name, exact in expected.items():
        error = (got[name].double() - exact).abs().max()
        assert error <= 4 * ULP * exact.abs().max(), name


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("act", ["silu", "gelu", "hardswish"])
def test_smooth_activations_are_as_accurate(act: str, layout: str) -> None:
    one = call("batch", SHAPE, layout=layout, act=act, residual=True)
    expected = plainly(one.in_float64().results)
    got = one.results()
    for name, exact in expected.items():
        error = (got[name].double() - exact).abs().max()
        assert error <= 4 * ULP * exact.abs().max(), name
