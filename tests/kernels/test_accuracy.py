"""Rounding errors against float64, also where the mean is large against the spread.

PyTorch's own are up to thousands of times as large there, and of the same size elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from tests.kernels.calls import LAYOUTS, METHODS, Call, Method, call, lies, plainly, taken
from torch import Tensor

SHAPE = (8, 18, 28, 28)
SHORT = (16, 18, 7, 7)
"""Planes shorter than the runs that kernels work on."""
ULP = torch.finfo(torch.float32).eps
ONE_ROUNDING = torch.finfo(torch.bfloat16).eps / 2

OF_PYTORCH: dict[str, Callable[[Tensor, Tensor | None, Tensor | None], Tensor]] = {
    "batch": lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
    "group": lambda x, w, b: F.group_norm(x, 3, w, b),
    "instance": lambda x, w, b: F.instance_norm(x, None, None, w, b),
}


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


def drifting(how: str, shape: tuple[int, ...]) -> Tensor:
    """Values whose mean is not the same everywhere, in samples and in channels."""
    samples, channels, *_ = shape
    place = torch.arange(samples * channels).reshape(samples, channels, 1, 1)
    if how == "ramp":
        return torch.randn(shape) + place
    first = (place < channels) | (place % channels < channels // 2)
    return torch.where(first, torch.randn(shape), torch.randn(shape) + 1e4)


@pytest.mark.parametrize("how", ["ramp", "step"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("method", METHODS, ids=str)
def test_a_mean_that_drifts_costs_no_accuracy(method: Method, layout: str, how: str) -> None:
    if method.is_trailing and layout != "contiguous":
        return
    shape = (8, 96, 12, 12)
    one = call(method, shape, layout=layout)
    one.input = lies(drifting(how, shape), layout)
    expected = plainly(one.in_float64().output)
    with taken():
        got = one.output()
    error = (got.double() - expected).abs().max()
    assert error <= 4 * ULP * expected.abs().max()


def of_pytorch(one: Call) -> dict[str, Tensor]:
    """What PyTorch makes of copies of what a call is given, contiguous."""
    leaves = {
        name: leaf.detach().clone(memory_format=torch.contiguous_format).requires_grad_()
        for name, leaf in one.leaves().items()
    }
    y = OF_PYTORCH[one.method.name](*(leaves[name] for name in ("input", "weight", "bias")))
    assert one.upstream is not None
    found = torch.autograd.grad(y, list(leaves.values()), one.upstream.contiguous())
    return {"output": y.detach(), **dict(zip(leaves, found, strict=True))}


def errors(found: dict[str, Tensor], exact: dict[str, Tensor]) -> dict[str, float]:
    """The largest of each tensor, as a share of its largest value."""
    return {
        name: ((found[name].double() - right).abs().max() / right.abs().max()).item()
        for name, right in exact.items()
    }


@pytest.mark.parametrize(
    ("dtype", "times_pytorchs", "allowed"),
    [(torch.float32, 1.5, 4 * ULP), (torch.bfloat16, 1.0, ONE_ROUNDING)],
    ids=["float32", "bfloat16"],
)
@pytest.mark.parametrize("mean", [0.0, 1000.0])
@pytest.mark.parametrize("shape", [SHAPE, SHORT], ids=["long planes", "short planes"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", OF_PYTORCH)
def test_no_error_is_larger_than_pytorchs_or_than_what_rounding_explains(
    name: str,
    layout: str,
    shape: tuple[int, ...],
    mean: float,
    dtype: torch.dtype,
    times_pytorchs: float,
    allowed: float,
) -> None:
    one = call(name, shape, dtype, layout=layout, mean=mean)
    exact = plainly(one.in_float64().results)
    with taken():
        ours = errors(one.results(), exact)
    theirs = errors(of_pytorch(one), exact)
    assert set(ours) == {"output", "input", "weight", "bias"}
    for tensor, error in ours.items():
        assert error <= max(times_pytorchs * theirs[tensor], allowed), tensor
