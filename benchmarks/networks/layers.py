"""The sets of layers that are compared: PyTorch's and normkit's, called in the same way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import normkit as nk


class Norm(Protocol):
    """What a network makes its norms with.

    `norm(channels, act="relu")` is a module that returns `act(norm(x) + residual)` for
    `(x, residual=None)`; its parameters, buffers and their names are those of
    `torch.nn.BatchNorm2d`.
    """

    def __call__(self, channels: int, /, *, act: str | None = None) -> nn.Module: ...


IN_PLACE: Mapping[str | None, Callable[[Tensor], Tensor] | None] = MappingProxyType(
    {None: None, "relu": torch.relu_, "relu6": lambda y: F.relu6(y, inplace=True)}
)


class PyTorchBatchNorm2d(nn.BatchNorm2d):
    """PyTorch's operations one after the other, as fast and as lean as they can be written.

    The sum and the activation are in place, since batch normalization keeps its input for the
    backward pass, not its output. torchvision's MobileNetV2 adds out of place, which costs more.
    """

    def __init__(self, channels: int, /, *, act: str | None = None) -> None:
        super().__init__(channels)
        self.act = IN_PLACE[act]

    def forward(self, input: Tensor, residual: Tensor | None = None) -> Tensor:  # noqa: A002
        """Returns `act(norm(input) + residual)`."""
        y = super().forward(input)
        if residual is not None:
            y += residual
        return y if self.act is None else self.act(y)


LAYERS: Mapping[str, Norm] = MappingProxyType(
    {"pytorch": PyTorchBatchNorm2d, "normkit": nk.nn.BatchNorm2d}
)
"""Name → the set of layers. Only the norm, with what follows it, differs between the two."""
