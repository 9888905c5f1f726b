"""A convolution or linear layer that calls a norm on what it computes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from normkit.surgery.derived import Derived


class Normalised(Derived):
    """Added to the class of a layer: its output goes through its child `norm`.

    So it does in every mode, on every branch and in every call, whatever the model does with it,
    and the layer's own parameters keep their names.
    """

    prefix = "Normalised"

    norm: torch.nn.Module

    @property
    def inserted(self) -> torch.nn.Module:
        """The norm."""
        return self.norm

    def forward(self, *arguments: Any, **options: Any) -> Tensor:
        """norm(layer(x))."""
        y = super().forward(*arguments, **options)  # type: ignore[misc]
        normalised: Tensor = self.norm(y)
        return normalised
