"""A layer as the contract sees it: how it is made, and what its paper says it computes."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

NOTHING_TO_MASK = {"masked": "no statistic mixes samples or positions"}
"""What the methods state whose statistics are of one position, or that have none."""

State = Mapping[str, Tensor]
"""A layer's parameters and buffers by name, as in its `state_dict`."""


class Reference(Protocol):
    """The paper's formula."""

    def __call__(self, x: Tensor, state: State, training: bool) -> Tensor:
        """Returns the output, in the precision of `x`, by operations that autograd follows."""


Statistics = Callable[[Tensor, State], Mapping[str, Tensor]]
"""The paper's rule for buffers: an input and the state before it → the buffers after it."""

Invariant = Callable[[torch.nn.Module, Tensor], None]
"""Raises AssertionError unless a layer, in training, does with an input what defines it."""

MAPS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"features": (), "1d": (7,), "2d": (4, 3), "3d": (2, 3, 2)}
)
"""The sizes of the maps that normkit's own layers are tried with, for each number of axes."""


@dataclass(frozen=True)
class Problem:
    """One layer under the contract.

    The layer is called as `layer(input, residual=None)`, and returns `act(norm(input) + residual)`;
    with `mask=` too where a statistic mixes samples or positions. Its class takes `act`, `device`
    and `dtype` by name, and has `reset_parameters()` where it has parameters or buffers.
    `normkit.nn.Activated` is a base that keeps `act`.

    Args:
        id: what the tests call it, such as `"batch-2d"`.
        layer: makes the layer: its class, or a function. Called with `arguments` and, by name,
            with `dtype`, `device` and `act`.
        reference: the formula of its paper.
        shape: of the inputs, `(N, C, *)`.
        arguments: the number of channels C → the arguments of `layer`.
        statistics: where the layer keeps statistics: the paper's rule for them.
        refuses: whether an input of a shape must raise ValueError, in training and in evaluation.
        invariants: what defines the method, by name; each is tried on many shapes.
        channels: the numbers of channels that the invariants are tried with.
        on: what is normalised, activations or weights.
        settle: gives a layer in use what neither its making nor batches give it, such as statistics
            that are only ever loaded.
        fewest: the smallest batch of training, where those of several sizes are tried.
        together: the one batch that several micro-batches are; not their concatenation where it
            matters which samples stand where.
        inductor: whether `torch.compile` is tried with its default backend too, which takes long.
        partly: name of an item of the contract → what of it is not tried, and why.
        not_applicable: name of an item of the contract → why it does not apply. The item is tried
            all the same, and must fail: an exemption that is not needed is an error.

    >>> problem = Problem(
    ...     "identity",
    ...     torch.nn.Identity,
    ...     lambda x, state, training: x,
    ...     arguments=lambda channels: {},
    ... )
    >>> problem.sample(torch.float32).shape
    torch.Size([5, 6, 4, 3])
    """

    id: str
    layer: Callable[..., torch.nn.Module]
    reference: Reference
    shape: tuple[int, ...] = (5, 6, 4, 3)
    arguments: Callable[[int], Mapping[str, Any]] = field(
        default=lambda channels: {"num_features": channels}
    )
    statistics: Statistics | None = None
    refuses: Callable[[tuple[int, ...], bool], bool] = field(default=lambda shape, training: False)
    invariants: Mapping[str, Invariant] = field(default_factory=dict)
    channels: tuple[int, ...] = (1, 2, 3, 6)
    on: Literal["activations", "weights"] = "activations"
    settle: Callable[[torch.nn.Module], None] = field(default=lambda layer: None)
    fewest: int = 2
    together: Callable[[Sequence[Tensor]], Tensor] = field(
        default=lambda batches: torch.cat(list(batches))
    )
    inductor: bool = False
    partly: Mapping[str, str] = field(default_factory=dict)
    not_applicable: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.id

    def make(self, channels: int | None = None, **options: Any) -> torch.nn.Module:
        """A new layer, as a user gets it."""
        arguments = self.arguments(self.shape[1] if channels is None else channels)
        return self.layer(**{**arguments, **options})

    def layer_in_use(
        self, dtype: torch.dtype = torch.float32, channels: int | None = None, **options: Any
    ) -> torch.nn.Module:
        """A layer with random parameters and, if it keeps statistics, those of two batches."""
        layer = self.make(channels, **options).to(dtype)
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.normal_()
            self.settle(layer)
            if any(buffer.is_floating_point() for buffer in layer.buffers()):
                shape = list(self.shape)
                if channels is not None:
                    shape[1] = channels
                for _ in range(2):
                    layer(self.sample(dtype, tuple(shape)))
        return layer

    def sample(self, dtype: torch.dtype, shape: tuple[int, ...] | None = None) -> Tensor:
        """A random input whose channels are neither centred nor of unit variance."""
        shape = self.shape if shape is None else shape
        x = torch.randn(shape, dtype=torch.float64)
        scale = torch.rand(shape[1], dtype=torch.float64) * 3 + 1
        shift = torch.randn(shape[1], dtype=torch.float64) * 2
        ones = (1,) * (len(shape) - 2)
        return (x * scale.reshape(-1, *ones) + shift.reshape(-1, *ones)).to(dtype)


def per_channel(vector: Tensor, x: Tensor) -> Tensor:
    """A vector `(C)` in a shape that meets `(N, C, *)`."""
    return vector.reshape(-1, *(1,) * (x.ndim - 2))


def state_of(layer: torch.nn.Module) -> dict[str, Tensor]:
    """The parameters, which can be differentiated, and copies of the buffers."""
    buffers = {name: buffer.clone() for name, buffer in layer.named_buffers()}
    return {**dict(layer.named_parameters()), **buffers}


def in_float64(layer: torch.nn.Module) -> torch.nn.Module:
    """A copy of a layer in float64."""
    return copy.deepcopy(layer).double()


def gradients(y: Tensor, upstream: Tensor, x: Tensor, layer: torch.nn.Module) -> list[Tensor]:
    """Of an input and of the parameters of a layer."""
    wanted = [x, *layer.parameters()]
    found = torch.autograd.grad(y, wanted, upstream, allow_unused=True)
    return [
        torch.zeros_like(tensor) if gradient is None else gradient
        for tensor, gradient in zip(wanted, found, strict=True)
    ]


def close(
    got: object, expected: object, rtol: float = 0.0, atol: float = 0.0, told: str = ""
) -> None:
    """Raises AssertionError unless tensors agree; the default is to the last bit."""
    torch.testing.assert_close(
        got, expected, rtol=rtol, atol=atol, msg=lambda message: f"{told}: {message}"
    )


@contextmanager
def without_pytorchs_warnings() -> Iterator[None]:
    """Leaves out the warnings that PyTorch's compiler and transforms give of themselves."""
    own = (
        "`torch.jit.script",  # Where they first load formulas of theirs.
        "There is a performance drop",  # Of a batching rule that PyTorch does not have.
        "<class 'torch.autograd.function.Function'> should not be instantiated",
    )
    with warnings.catch_warnings():
        for message in own:
            warnings.filterwarnings("ignore", message=message)
        yield
