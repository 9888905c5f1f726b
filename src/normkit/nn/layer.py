"""Layer normalization over the trailing dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from normkit.functional import Activation, layer_norm
from normkit.nn.activation import Activated
from normkit.nn.group import GroupNorm
from normkit.nn.method import Method


class LayerNorm(Activated, torch.nn.LayerNorm):
    """Layer normalization over the trailing dimensions, as PyTorch has it.

    y = act(γ · (x − μ) / √(σ² + ε) + β + residual), with μ and σ² over `normalized_shape`. For
    images see `LayerNorm2d` (over the channels at each position) and `GroupNorm` with one group
    (over the channels and all positions).

    Args:
        normalized_shape: the trailing dimensions, or the last one.
        eps: ε, added to the variance.
        elementwise_affine: whether γ and β exist, of shape `normalized_shape`.
        bias: whether β exists, where `elementwise_affine` is on.
        device: as in PyTorch.
        dtype: as in PyTorch.
        act: the activation: None, a name, or a module or function.

    Raises:
        ValueError: an input that does not end in `normalized_shape`; a residual of another shape.

    >>> LayerNorm(16, act="gelu")(torch.randn(8, 10, 16)).shape
    torch.Size([8, 10, 16])

    Paper: Ba, Kiros and Hinton, "Layer Normalization", 2016, https://arxiv.org/abs/1607.06450
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        act: Activation = None,
    ) -> None:
        shape = normalized_shape if isinstance(normalized_shape, int) else list(normalized_shape)
        super().__init__(shape, eps, elementwise_affine, bias, device, dtype)
        self._set_activation(act)

    def forward(self, input: Tensor, residual: Tensor | None = None) -> Tensor:  # noqa: A002
        """Returns `act(norm(input) + residual)`."""
        return layer_norm(
            input,
            self.normalized_shape,
            self.weight,
            self.bias,
            self.eps,
            act=self.act,
            residual=residual,
        )


METHOD = Method(
    name="layer",
    title="layer normalization over the whole sample",
    year=2016,
    paper="Ba, Kiros and Hinton, Layer Normalization, https://arxiv.org/abs/1607.06450",
    axes="C, *",
    state_dict=("weight", "bias"),
    layers={1: GroupNorm, 2: GroupNorm, 3: GroupNorm},
    needs="more than one value per sample",
    when="Batches of any size, where all channels of a layer are of one kind.",
    standardises="sample",
    channels="num_channels",
    fixed={"num_groups": 1},
)
