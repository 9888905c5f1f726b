"""Layers whose weights are normalised, in the shape in which the contract tries layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from normkit.functional import Activation, finish
from normkit.nn.activation import Activated
from normkit.testing.problem import NOTHING_TO_MASK, State

WEIGHT = "layer.parametrizations.weight."
"""What the names of a parametrization's tensors begin with."""

PLAIN: Mapping[str, Callable[..., torch.nn.Module]] = MappingProxyType(
    {
        "features": torch.nn.Linear,
        "1d": torch.nn.Conv1d,
        "2d": torch.nn.Conv2d,
        "3d": torch.nn.Conv3d,
    }
)

_NOT_APPLICABLE: Mapping[str, str] = MappingProxyType(
    {
        "half": "a convolution takes inputs of the dtype of its weights alone",
        **NOTHING_TO_MASK,
        "pickled": "PyTorch does not pickle a parametrized module",
        "refusals": "inputs are refused by PyTorch's convolution, in its own words",
    }
)
"""What a convolution or linear layer does not do, whatever is done to its weights."""


def not_applicable(dims: str) -> dict[str, str]:
    """Items that no layer of these dims keeps, each with its reason."""
    if dims == "1d":
        return {**_NOT_APPLICABLE, "layout": "PyTorch's Conv1d has no channels-last format"}
    return dict(_NOT_APPLICABLE)


class Normalised(Activated):
    """A convolution or linear layer of as many outputs as inputs: `act(layer(input) + residual)`.

    Args:
        put_on: what puts the method on a layer.
        dims: a key of `PLAIN`.
        channels: how many inputs and outputs.
        act: the activation.
        device: as in PyTorch.
        dtype: as in PyTorch.
    """

    def __init__(
        self,
        put_on: Callable[[torch.nn.Module], torch.nn.Module],
        dims: str,
        channels: int,
        *,
        act: Activation = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self._arguments = (channels, channels) if dims == "features" else (channels, channels, 3)
        self._options = {} if dims == "features" else {"padding": 1}
        self._plain = PLAIN[dims]
        layer = self._plain(*self._arguments, **self._options, device=device, dtype=dtype)
        self.layer = put_on(layer)
        self._set_activation(act)

    def reset_parameters(self) -> None:
        """Draws the layer anew, by assigning to it, and resets the parametrization's own."""
        plain = dict(self._plain(*self._arguments, **self._options).named_parameters())
        self.layer.load_state_dict({"bias": plain["bias"]}, strict=False)
        self.layer.weight = plain["weight"].detach()
        for module in self.layer.modules():
            reset = getattr(module, "reset_parameters", None)
            if reset is not None and module is not self.layer:
                reset()

    def forward(self, input: Tensor, residual: Tensor | None = None) -> Tensor:  # noqa: A002
        """Returns `act(layer(input) + residual)`."""
        return finish(self.layer(input), self.act, residual)


def convolved(x: Tensor, weight: Tensor, state: State) -> Tensor:
    """What the layer computes with a weight, and its bias in `state`."""
    bias = state["layer.bias"]
    if x.ndim == 2:
        return x @ weight.T + bias
    convolve = (F.conv1d, F.conv2d, F.conv3d)[x.ndim - 3]
    return convolve(x, weight, bias, padding=1)


def weight_in(layer: torch.nn.Module) -> Tensor:
    """The effective weight of a `Normalised`, by output: `(C_out, fan-in)`."""
    assert isinstance(layer, Normalised)
    weight = layer.layer.weight
    assert isinstance(weight, Tensor)
    return weight.detach().flatten(1)


def scale_(layer: torch.nn.Module, name: str, factor: float) -> None:
    """Multiplies a tensor of the parametrization."""
    with torch.no_grad():
        layer.get_parameter(WEIGHT + name).mul_(factor)
