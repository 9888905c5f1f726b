"""Root mean square normalization layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from normkit.functional import Activation, channel_rms_norm, rms_norm
from normkit.functional.checks import check_channels, check_rank
from normkit.nn.activation import Activated
from normkit.nn.method import Method


class RMSNorm(Activated, torch.nn.RMSNorm):
    """Root mean square normalization over the trailing dimensions, as PyTorch has it.

    y = act(γ · x / √(mean(x²) + ε) + residual), with the mean over `normalized_shape`.

    Args:
        normalized_shape: the trailing dimensions, or the last one.
        eps: ε, added to the mean square; None means the machine epsilon.
        elementwise_affine: whether γ exists, of shape `normalized_shape`.
        device: as in PyTorch.
        dtype: as in PyTorch.
        act: the activation: None, a name, or a module or function.

    Raises:
        ValueError: an input that does not end in `normalized_shape`; a residual of another shape.

    >>> RMSNorm(16, act="silu")(torch.randn(8, 10, 16)).shape
    torch.Size([8, 10, 16])

    Paper: Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019,
    https://arxiv.org/abs/1910.07467
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        act: Activation = None,
    ) -> None:
        shape = normalized_shape if isinstance(normalized_shape, int) else list(normalized_shape)
        super().__init__(shape, eps, elementwise_affine, device, dtype)
        self._set_activation(act)

    def forward(self, input: Tensor, residual: Tensor | None = None) -> Tensor:  # noqa: A002
        """Returns `act(norm(input) + residual)`."""
        return rms_norm(
            input, self.normalized_shape, self.weight, self.eps, act=self.act, residual=residual
        )


class _ChannelRMSNormLayer(Activated, torch.nn.RMSNorm):
    _spatial: int

    def __init__(
        self,
        num_channels: int,
        eps: float | None = 1e-5,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        act: Activation = None,
    ) -> None:
        super().__init__(num_channels, eps, elementwise_affine, device, dtype)
        self._set_activation(act)

    def forward(self, input: Tensor, residual: Tensor | None = None) -> Tensor:  # noqa: A002
        """Returns `act(norm(input) + residual)`."""
        check_rank(type(self).__name__, input, self._spatial)
        check_channels(type(self).__name__, input, self.normalized_shape[0])
        return channel_rms_norm(input, self.weight, self.eps, act=self.act, residual=residual)


class RMSNorm1d(_ChannelRMSNormLayer):
    """Root mean square normalization of `(N, C)` or `(N, C, L)`, over C at each position.

    y = act(γ · x / √(mean(x²) + ε) + residual), with the mean per sample and position, and γ per
    channel.

    Args:
        num_channels: C.
        eps: ε, added to the mean square; None means the machine epsilon.
        elementwise_affine: whether γ exists.
        device: as in PyTorch.
        dtype: as in PyTorch.
        act: the activation: None, a name, or a module or function.

    Raises:
        ValueError: an input of another rank or number of channels; a residual of another shape.

    >>> RMSNorm1d(16, act="silu")(torch.randn(8, 16, 10)).shape
    torch.Size([8, 16, 10])

    Paper: Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019,
    https://arxiv.org/abs/1910.07467
    """

    _spatial = 1


class RMSNorm2d(_ChannelRMSNormLayer):
    """Root mean square normalization of `(N, C, H, W)` over C at each position; see `RMSNorm1d`.

    >>> RMSNorm2d(16)(torch.randn(8, 16, 4, 4)).shape
    torch.Size([8, 16, 4, 4])
    """

    _spatial = 2


class RMSNorm3d(_ChannelRMSNormLayer):
    """Root mean square normalization of `(N, C, D, H, W)` over C at each position.

    See `RMSNorm1d`.

    >>> RMSNorm3d(16)(torch.randn(8, 16, 2, 4, 4)).shape
    torch.Size([8, 16, 2, 4, 4])
    """

    _spatial = 3


METHOD = Method(
    name="rms",
    title="root mean square normalization over the channels at each position",
    year=2019,
    paper="Zhang and Sennrich, Root Mean Square Layer Normalization, "
    "https://arxiv.org/abs/1910.07467",
    axes="C",
    state_dict=("weight",),
    layers={1: RMSNorm1d, 2: RMSNorm2d, 3: RMSNorm3d},
    needs="nothing",
    when="In place of channel_layer, where subtracting the mean is not worth its cost.",
    standardises="position",
    channels="num_channels",
    affine="elementwise_affine",
)
