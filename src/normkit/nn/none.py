"""No normalization: what the others are compared with."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from normkit.functional import Activation, finish
from normkit.nn.activation import Activated
from normkit.nn.method import Method


class Identity(Activated, torch.nn.Identity):
    """No normalization of a tensor of any shape: `act(input + residual)`.

    Args:
        num_features: accepted, with `device` and `dtype`, so that it can stand where a norm
            stands; not used.
        device: as in PyTorch.
        dtype: as in PyTorch.
        act: the activation: None, a name, or a module or function.

    Raises:
        ValueError: a residual of another shape.

    >>> Identity(16, act="relu")(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def __init__(
        self,
        num_features: int | None = None,
        device: Any = None,
        dtype: Any = None,
        *,
        act: Activation = None,
    ) -> None:
        super().__init__()
        self._set_activation(act)

    def forward(self, input: Tensor, residual: Tensor | None = None) -> Tensor:  # noqa: A002
        """Returns `act(input + residual)`."""
        return finish(input, self.act, residual)


METHOD = Method(
    name="none",
    title="no normalization",
    year=None,
    paper="",
    axes="–",
    state_dict=(),
    layers={1: Identity, 2: Identity, 3: Identity},
    needs="nothing",
    when="The comparison every other method has to win.",
    affine=None,
)
