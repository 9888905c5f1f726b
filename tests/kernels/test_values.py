"""Every kernel computes what its formula does in float64: outputs and gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tests.kernels.calls import (
    LAYOUTS,
    METHODS,
    TOLERANCES,
    Call,
    Method,
    agrees_with_float64,
    call,
    close,
    plainly,
    taken,
)
from torch import Tensor

from normkit import kernels

SHAPES = {
    "features": ((5, 6), "contiguous"),
    "1d": ((3, 6, 7), "contiguous"),
    "2d": ((4, 6, 5, 3), "contiguous"),
    "3d": ((2, 6, 2, 3, 4), "contiguous"),
    "1d, channels-last": ((3, 6, 7), "channels-last"),
    "2d, channels-last": ((4, 6, 5, 3), "channels-last"),
    "3d, channels-last": ((2, 6, 2, 3, 4), "channels-last"),
    "one sample": ((1, 6, 9, 9), "contiguous"),
    "one sample, channels-last": ((1, 6, 9, 9), "channels-last"),
    "maps of several runs": ((2, 3, 37, 29), "contiguous"),
    "many channels": ((2, 69, 3, 3), "contiguous"),
    "many channels, channels-last": ((2, 519, 3, 3), "channels-last"),
}
ACTIVATIONS: list[Any] = [
    None,
    "relu",
    "leaky_relu",
    "relu6",
    "silu",
    "gelu",
    "hardswish",
    F.relu,
    torch.relu,
    F.silu,
    torch.nn.Identity(),
    torch.nn.ReLU(),
    torch.nn.ReLU(inplace=True),
    torch.nn.LeakyReLU(0.2),
    torch.nn.ReLU6(),
    torch.nn.SiLU(),
    torch.nn.GELU(),
    torch.nn.Hardswish(),
]
methods = pytest.mark.parametrize("method", METHODS, ids=str)


def told(act: Any) -> str:
    return act if isinstance(act, str) else getattr(act, "__name__", repr(act))


@pytest.mark.parametrize("residual", [False, True], ids=["", "residual"])
@pytest.mark.parametrize("where", SHAPES)
@methods
def test_on_every_shape_and_layout(method: Method, where: str, residual: bool) -> None:
    shape, layout = SHAPES[where]
    if method.takes(shape, layout):
        agrees_with_float64(call(method, shape, layout=layout, residual=residual, act="relu"))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("act", ACTIVATIONS, ids=told)
@methods
def test_with_every_activation(method: Method, act: Any, layout: str) -> None:
    if method.takes((3, 6, 5, 5), layout):
        for residual in (False, True):
            for dtype in (torch.float32, torch.float64):
                agrees_with_float64(
                    call(method, (3, 6, 5, 5), dtype, layout=layout, act=act, residual=residual)
                )


@pytest.mark.parametrize("affine", ["both", "weight", "none"])
@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@methods
def test_in_every_precision(method: Method, dtype: torch.dtype, affine: str) -> None:
    for layout in LAYOUTS:
        if method.takes((3, 6, 9, 7), layout):
            for act in (None, "relu", "gelu"):
                for residual in (False, True):
                    one = call(
                        method,
                        (3, 6, 9, 7),
                        dtype,
                        layout=layout,
                        act=act,
                        residual=residual,
                        affine=affine,
                    )
                    agrees_with_float64(one)


@pytest.mark.parametrize("affine", ["both", "weight", "none"])
@pytest.mark.parametrize("name", ["trailing_layer", "trailing_rms"])
def test_over_more_values_than_a_tile_holds(name: str, affine: str) -> None:
    for act in ("relu", "silu"):
        one = call(name, (3, 2, 71, 59), act=act, residual=True, affine=affine)
        agrees_with_float64(one)


@methods
def test_parameters_may_be_in_float32_beside_an_input_in_half(method: Method) -> None:
    for layout in LAYOUTS:
        if method.takes((3, 6, 9, 7), layout):
            one = call(
                method,
                (3, 6, 9, 7),
                torch.bfloat16,
                layout=layout,
                act="relu",
                residual=True,
                affine_dtype=torch.float32,
            )
            agrees_with_float64(one)
            results = one.results()
            assert results["output"].dtype == results["input"].dtype == torch.bfloat16
            assert results["weight"].dtype == torch.float32


@pytest.mark.parametrize("layout", LAYOUTS)
@methods
def test_the_output_and_the_gradients_lie_as_the_input_does(method: Method, layout: str) -> None:
    if method.takes((3, 6, 5, 4), layout):
        one = call(method, (3, 6, 5, 4), layout=layout, residual=True, act="silu")
        results = one.results()
        for name in ("output", "input", "residual"):
            assert results[name].stride() == one.input.stride()


def _contiguous(x: Tensor) -> Tensor:
    return x.contiguous()


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def _strided(x: Tensor) -> Tensor:
    return torch.stack([x, x], -1)[..., 0]


def _expanded(x: Tensor) -> Tensor:
    return x[:1, :1].expand(x.shape)


OTHERS: list[Callable[[Tensor], Tensor]] = [_contiguous, _channels_last, _strided, _expanded]


@pytest.mark.parametrize("lies", OTHERS, ids=lambda f: f.__name__.strip("_"))
@pytest.mark.parametrize("layout", LAYOUTS)
@methods
def test_what_comes_back_or_is_added_may_lie_otherwise(
    method: Method, layout: str, lies: Callable[[Tensor], Tensor]
) -> None:
    if not method.takes((3, 6, 5, 4), layout):
        return
    for act in (None, "relu", "gelu"):
        one = call(method, (3, 6, 5, 4), layout=layout, residual=True, act=act)
        assert one.upstream is not None
        assert one.residual is not None
        one.upstream = lies(one.upstream)
        one.residual = lies(one.residual.detach()).requires_grad_()
        agrees_with_float64(one)


FROZEN: dict[str, tuple[str, ...]] = {
    "the input": ("input",),
    "the residual": ("residual",),
    "the affine": ("weight", "bias"),
    "the input and the residual": ("input", "residual"),
    "all but the residual": ("input", "weight", "bias"),
    "all but the bias": ("input", "weight", "residual"),
    "all": ("input", "weight", "bias", "residual"),
}


def freeze(one: Call, *names: str) -> None:
    for name in names:
        tensor = getattr(one, name)
        if tensor is not None:
            tensor.requires_grad_(False)


@pytest.mark.parametrize("which", FROZEN)
@methods
def test_what_does_not_ask_for_a_gradient_gets_none(method: Method, which: str) -> None:
    for layout in LAYOUTS:
        if method.takes((3, 6, 5, 4), layout):
            for act in (None, "relu", "gelu"):
                one = call(method, (3, 6, 5, 4), layout=layout, residual=True, act=act)
                freeze(one, *FROZEN[which])
                agrees_with_float64(one)
                assert one.output().requires_grad is bool(one.leaves())


@methods
def test_without_gradients_the_output_is_the_same(method: Method) -> None:
    one = call(method, (3, 6, 5, 4), residual=True, act="relu")
    expected = one.output()
    for mode in (torch.no_grad, torch.inference_mode):
        with mode(), taken():
            assert torch.equal(one.output(), expected)


@methods
def test_an_input_that_has_gaps_is_left_to_the_formula(method: Method) -> None:
    one = call(method, (3, 6, 5, 4), residual=True, act="relu")
    expected = one.results()
    one.input = _strided(one.input.detach()).requires_grad_()
    with kernels.observed() as choices:
        got = one.results()
    assert [choice.refusal for choice in choices] == [
        "the input is neither contiguous nor channels-last"
    ]
    close(got, expected, 1e-5)


def without_gelus_infinity(act: str, results: dict[str, Tensor]) -> dict[str, Tensor]:
    """Of infinity PyTorch's GELU is NaN on some processors."""
    y = results["output"]
    return {**results, "output": y.where(~y.isinf(), torch.nan)} if act == "gelu" else results


@methods
def test_an_input_that_is_not_finite_goes_through_as_by_the_formula(method: Method) -> None:
    for act in ACTIVATIONS[:7]:
        for value in (torch.nan, torch.inf, -torch.inf):
            one = call(method, (3, 6, 5, 4), act=act)
            with torch.no_grad():
                one.input[0, 0, 0, 0] = value
            got, expected = one.output().detach(), plainly(one.output).detach()
            close(
                without_gelus_infinity(act, {"output": got}),
                without_gelus_infinity(act, {"output": expected}),
                1e-5,
                f"{act}, {value}",
            )


@pytest.mark.parametrize("act", ACTIVATIONS[:7], ids=told)
def test_what_is_not_finite_before_an_activation_comes_out_as_from_pytorchs(act: str) -> None:
    for value in (torch.nan, torch.inf, -torch.inf, 1e38, -1e38):
        one = call("channel_layer", (3, 6, 5, 4), act=act)
        assert one.bias is not None
        with torch.no_grad():
            one.bias[2] = value
        got, expected = one.results(), plainly(one.results)
        if one.bias.isnan().any():  # PyTorch's derivatives there depend on how a loop is cut.
            got, expected = ({"output": results["output"]} for results in (got, expected))
        close(
            without_gelus_infinity(act, got),
            without_gelus_infinity(act, expected),
            2e-5,
            f"{value}",
        )
