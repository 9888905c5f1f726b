"""Dynamic tanh layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from normkit.functional import Activation, dynamic_tanh
from normkit.nn.activation import Activated
from normkit.nn.affine import Affine
from normkit.nn.method import Method


class DynamicTanh(Activated, Affine):
    """Dynamic tanh of `(N, C, *)`, in the place of a norm: each value is squashed by itself.

    y = act(γ · tanh(α · x) + β + residual), with one α for all values, which is learned, and γ and
    β per channel.

    Args:
        num_features: C.
        alpha_init: what α starts at.
        affine: whether γ and β exist; α does in any case.
        device: as in PyTorch.
        dtype: as in PyTorch.
        act: the activation: None, a name, or a module or function.

    Raises:
        ValueError: where γ and β exist, an input with another number of channels; a residual of
            another shape.

    >>> DynamicTanh(16, act="relu")(torch.randn(8, 16, 4, 4)).shape
    torch.Size([8, 16, 4, 4])

    Paper: Zhu, Chen, He, LeCun and Liu, "Transformers without Normalization", 2025,
    https://arxiv.org/abs/2503.10622
    """

    _shown = "{num_features}, alpha_init={alpha_init}, affine={affine}"

    def __init__(
        self,
        num_features: int,
        alpha_init: float = 0.5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        act: Activation = None,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.alpha_init = alpha_init
        self.affine = affine
        # A vector of one value, as the paper has it: fully sharded training takes no scalars.
        self.alpha = torch.nn.Parameter(torch.empty(1, device=device, dtype=dtype))
        self._set_affine(num_features, affine, affine, device, dtype)
        self._set_activation(act)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Gives α, γ and β the values that they start at."""
        torch.nn.init.constant_(self.alpha, self.alpha_init)
        super().reset_parameters()

    def forward(self, input: Tensor, residual: Tensor | None = None) -> Tensor:  # noqa: A002
        """Returns `act(norm(input) + residual)`."""
        return dynamic_tanh(
            input, self.alpha, self.weight, self.bias, act=self.act, residual=residual
        )


METHOD = Method(
    name="dynamic_tanh",
    title="dynamic tanh",
    year=2025,
    paper="Zhu, Chen, He, LeCun and Liu, Transformers without Normalization, "
    "https://arxiv.org/abs/2503.10622",
    axes="–",
    state_dict=("alpha", "weight", "bias"),
    layers={1: DynamicTanh, 2: DynamicTanh, 3: DynamicTanh},
    needs="nothing",
    when="Transformers, in place of layer normalization; no statistic is taken.",
)
