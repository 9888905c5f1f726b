"""Layer normalization over the channels at each position."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from normkit.functional import Activation, channel_layer_norm
from normkit.functional.checks import check_channels, check_rank
from normkit.nn.activation import Activated
from normkit.nn.method import Method


class _ChannelLayerNormLayer(Activated, torch.nn.LayerNorm):
    _spatial: int

    def __init__(
        self,
        num_channels: int,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        act: Activation = None,
    ) -> None:
        super().__init__(num_channels, eps, elementwise_affine, bias, device, dtype)
        self._set_activation(act)

    def forward(self, input: Tensor, residual: Tensor | None = None) -> Tensor:  # noqa: A002
        """Returns `act(norm(input) + residual)`."""
        check_rank(type(self).__name__, input, self._spatial)
        check_channels(type(self).__name__, input, self.normalized_shape[0])
        return channel_layer_norm(
            input, self.weight, self.bias, self.eps, act=self.act, residual=residual
        )


class LayerNorm1d(_ChannelLayerNormLayer):
    """Layer normalization of `(N, C)` or `(N, C, L)`, over the channels at each position.

    y = act(γ · (x − μ) / √(σ² + ε) + β + residual), with μ and σ² per sample and position, and γ
    and β per channel.

    Args:
        num_channels: C.
        eps: ε, added to the variance.
        elementwise_affine: whether γ and β exist.
        bias: whether β exists, where `elementwise_affine` is on.
        device: as in PyTorch.
        dtype: as in PyTorch.
        act: the activation: None, a name, or a module or function.

    Raises:
        ValueError: an input of another rank or number of channels, or with one channel; a
            residual of another shape.

    >>> LayerNorm1d(16, act="gelu")(torch.randn(8, 16, 10)).shape
    torch.Size([8, 16, 10])

    Paper: Ba, Kiros and Hinton, "Layer Normalization", 2016, https://arxiv.org/abs/1607.06450
    """

    _spatial = 1


class LayerNorm2d(_ChannelLayerNormLayer):
    """Layer normalization of `(N, C, H, W)` over C at each position; see `LayerNorm1d`.

    >>> LayerNorm2d(16)(torch.randn(8, 16, 4, 4)).shape
    torch.Size([8, 16, 4, 4])
    """

    _spatial = 2


class LayerNorm3d(_ChannelLayerNormLayer):
    """Layer normalization of `(N, C, D, H, W)` over C at each position; see `LayerNorm1d`.

    >>> LayerNorm3d(16)(torch.randn(8, 16, 2, 4, 4)).shape
    torch.Size([8, 16, 2, 4, 4])
    """

    _spatial = 3


METHOD = Method(
    name="channel_layer",
    title="layer normalization over the channels at each position",
    year=2016,
    paper="Ba, Kiros and Hinton, Layer Normalization, https://arxiv.org/abs/1607.06450",
    axes="C",
    state_dict=("weight", "bias"),
    layers={1: LayerNorm1d, 2: LayerNorm2d, 3: LayerNorm3d},
    needs="more than one channel",
    when="Networks in the manner of ConvNeXt, and maps whose positions differ in scale.",
    standardises="position",
    channels="num_channels",
    affine="elementwise_affine",
)
