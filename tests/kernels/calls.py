"""The formulas that kernels take, called so that the two ways of a call can be compared."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from normkit import functional as F
from normkit import kernels

TOLERANCES = {
    torch.float64: 1e-10,
    torch.float32: 2e-5,
    torch.bfloat16: 2**-6,
    torch.float16: 2**-9,
}
"""Of each precision, against float64; half precision rounds a residual's gradient in between."""

LAYOUTS = ("contiguous", "channels-last")


def lies(x: Tensor, layout: str) -> Tensor:
    """A copy of `(N, C, *)` in a layout."""
    if layout == "contiguous":
        return x.clone(memory_format=torch.contiguous_format)
    return x.movedim(1, -1).clone(memory_format=torch.contiguous_format).movedim(-1, 1)


@dataclass(frozen=True)
class Method:
    """A formula, as one function of the tensors that a kernel is given.

    Attributes:
        name: in the tests.
        function: what `explain` calls it.
        norm: (input, weight, bias, act=, residual=) → output.
        has_bias: whether there is a β.
        needs_positions: whether features, `(N, C)`, are not for it.
        is_trailing: whether it is over the trailing dimensions, and contiguous alone.
    """

    name: str
    function: str
    norm: Callable[..., Tensor]
    has_bias: bool = True
    needs_positions: bool = False
    is_trailing: bool = False

    def __str__(self) -> str:
        return self.name

    def takes(self, shape: tuple[int, ...], layout: str) -> bool:
        """Whether there is anything to test."""
        if self.needs_positions and len(shape) == 2:
            return False
        return not (self.is_trailing and layout != "contiguous")

    def affine_shape(self, x: Tensor) -> tuple[int, ...]:
        return tuple(x.shape[2:]) if self.is_trailing else (x.shape[1],)


def _evaluated(x: Tensor, weight: Tensor | None, bias: Tensor | None, **ending: Any) -> Tensor:
    mean = torch.linspace(-1, 2, x.shape[1], dtype=torch.float64, device=x.device)
    variance = torch.linspace(0.5, 1.5, x.shape[1], dtype=torch.float64, device=x.device)
    return F.batch_norm(x, mean, variance, weight, bias, **ending)


METHODS = [
    Method(
        "batch",
        "batch_norm",
        lambda x, w, b, **k: F.batch_norm(x, None, None, w, b, training=True, **k),
    ),
    Method("batch-evaluated", "batch_norm", _evaluated),
    Method("group", "group_norm", lambda x, w, b, **k: F.group_norm(x, 3, w, b, **k)),
    Method("layer", "group_norm", lambda x, w, b, **k: F.group_norm(x, 1, w, b, **k)),
    Method(
        "instance",
        "instance_norm",
        lambda x, w, b, **k: F.instance_norm(x, None, None, w, b, **k),
        needs_positions=True,
    ),
    Method(
        "channel_layer",
        "channel_layer_norm",
        lambda x, w, b, **k: F.channel_layer_norm(x, w, b, **k),
    ),
    Method(
        "channel_rms",
        "channel_rms_norm",
        lambda x, w, b, **k: F.channel_rms_norm(x, w, **k),
        has_bias=False,
    ),
    Method(
        "trailing_layer",
        "layer_norm",
        lambda x, w, b, **k: F.layer_norm(x, x.shape[2:], w, b, **k),
        needs_positions=True,
        is_trailing=True,
    ),
    Method(
        "trailing_rms",
        "rms_norm",
        lambda x, w, b, **k: F.rms_norm(x, x.shape[2:], w, **k),
        has_bias=False,
        needs_positions=True,
        is_trailing=True,
    ),
]
BY_NAME = {method.name: method for method in METHODS}


@dataclass
class Call:
    """A method and what it is given; the tensors that ask for a gradient are leaves."""

    method: Method
    input: Tensor
    weight: Tensor | None = None
    bias: Tensor | None = None
    residual: Tensor | None = None
    act: Any = None
    upstream: Tensor | None = None

    def output(self) -> Tensor:
        return self.method.norm(
            self.input, self.weight, self.bias, act=self.act, residual=self.residual
        )

    def leaves(self) -> dict[str, Tensor]:
        every = {
            "input": self.input,
            "weight": self.weight,
            "bias": self.bias,
            "residual": self.residual,
        }
        return {
            name: tensor
            for name, tensor in every.items()
            if tensor is not None and tensor.requires_grad
        }

    def results(self) -> dict[str, Tensor]:
        """The output and the gradients, by name."""
        y = self.output()
        leaves = self.leaves()
        found = torch.autograd.grad(y, list(leaves.values()), self.upstream) if leaves else ()
        return {"output": y.detach(), **dict(zip(leaves, found, strict=True))}

    def in_float64(self) -> Call:
        """The same call on copies in float64, contiguous."""

        def exact(tensor: Tensor | None) -> Tensor | None:
            if tensor is None:
                return None
            copy = tensor.detach().double().contiguous()
            return copy.requires_grad_(tensor.requires_grad)

        parts = ("input", "weight", "bias", "residual", "upstream")
        return replace(self, **{name: exact(getattr(self, name)) for name in parts})


def call(
    method: Method | str,
    shape: tuple[int, ...],
    dtype: torch.dtype = torch.float32,
    *,
    layout: str = "contiguous",
    act: Any = None,
    residual: bool = False,
    affine: str = "both",
    affine_dtype: torch.dtype | None = None,
    mean: float = 1.0,
    device: str = "cpu",
) -> Call:
    """A call of random tensors, all of which ask for a gradient.

    Args:
        method: of `METHODS`, or its name.
        shape: of the input.
        dtype: of the input.
        layout: in `LAYOUTS`.
        act: the activation.
        residual: whether one is added.
        affine: "both", "weight" or "none".
        affine_dtype: of γ and β; that of the input where it is None.
        mean: of the input.
        device: of all of them.
    """
    method = BY_NAME[method] if isinstance(method, str) else method

    def like_input(shift: float = 0.0) -> Tensor:
        values = torch.randn(shape, dtype=torch.float64, device=device) + shift
        return lies(values.to(dtype), layout)

    x = like_input(mean).requires_grad_()

    def vector() -> Tensor:
        size = method.affine_shape(x)
        drawn = torch.randn(size, dtype=torch.float64, device=device)
        return drawn.to(affine_dtype or dtype).requires_grad_()

    return Call(
        method,
        x,
        weight=vector() if affine != "none" else None,
        bias=vector() if affine == "both" and method.has_bias else None,
        residual=like_input().requires_grad_() if residual else None,
        act=act,
        upstream=like_input(),
    )


@contextmanager
def taken() -> Iterator[None]:
    """Raises unless kernels take every call that is made inside."""
    with kernels.observed() as choices:
        yield
    assert choices
    refusals = [choice.refusal for choice in choices if choice.refusal is not None]
    assert not refusals


def plainly(function: Callable[[], Any]) -> Any:
    """What a function returns where the plain formulas are run."""
    with kernels.disabled():
        return function()


def close(got: Any, expected: Any, tolerance: float = 0.0, told: str = "") -> None:
    """Raises unless tensors agree to so much, relative and absolute; the default is exactly."""
    torch.testing.assert_close(
        got,
        expected,
        rtol=tolerance,
        atol=tolerance,
        check_dtype=False,
        equal_nan=True,
        msg=lambda message: f"{told}: {message}",
    )


def agrees_with_float64(one: Call, factor: float = 1.0) -> None:
    """Raises unless a kernel computes, to its precision, what the formula does in float64."""
    expected = plainly(one.in_float64().results)
    with taken():
        got = one.results()
    tolerance = TOLERANCES[one.input.dtype] * factor
    for name, value in got.items():
        # A gradient of γ or β is a sum over many values, whose terms are as large as their root.
        size = math.sqrt(one.input.numel() / value.numel())
        close(value.double(), expected[name], tolerance * max(size, 1.0), name)
