"""Instance normalization layers."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.instancenorm import _InstanceNorm

from normkit.functional import Activation, instance_norm
from normkit.functional.checks import check_rank_unbatched
from normkit.nn.activation import Activated


class _InstanceNormLayer(Activated, _InstanceNorm):
    _spatial: int

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
        act: Activation = None,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype)
        if not bias:
            self.register_parameter("bias", None)
        self._set_activation(act)

    def forward(self, input: Tensor, residual: Tensor | None = None) -> Tensor:  # noqa: A002
        """Returns `act(norm(input) + residual)`."""
        check_rank_unbatched(type(self).__name__, input, self._spatial)
        unbatched = input.ndim == self._spatial + 1
        self._check_channels(input, axis=0 if unbatched else 1)
        y = instance_norm(
            input.unsqueeze(0) if unbatched else input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
            act=self.act,
            residual=residual.unsqueeze(0) if unbatched and residual is not None else residual,
        )
        return y.squeeze(0) if unbatched else y

    def _check_channels(self, x: Tensor, axis: int) -> None:
        if x.shape[axis] == self.num_features:
            return
        message = (
            f"{type(self).__name__} was made for {self.num_features} channels and got "
            f"{x.shape[axis]}, on axis {axis} of an input of shape {tuple(x.shape)}."
        )
        if self.affine or self.track_running_stats:
            if axis == 0:
                message += (
                    " An input of this rank is read as one sample without a batch axis; features "
                    "(N, C) without positions cannot be normalised per instance, for each "
                    "channel of a sample has one value."
                )
            raise ValueError(message)
        # PyTorch lets this pass too: without parameters the number of channels is not used.
        warnings.warn(message, stacklevel=3)


class InstanceNorm1d(_InstanceNormLayer, torch.nn.InstanceNorm1d):
    """Instance normalization of `(N, C, L)` or `(C, L)`, over the positions of each channel.

    y = act(γ · (x − μ) / √(σ² + ε) + β + residual), with μ and σ² per sample and channel.

    Args:
        num_features: C.
        eps: ε, added to the variance.
        momentum: how far the running statistics move towards the input's.
        affine: whether γ and β exist; off unless asked for, as in PyTorch.
        track_running_stats: whether running statistics are kept and used in evaluation.
        device: as in PyTorch.
        dtype: as in PyTorch.
        bias: whether β exists, where `affine` is on.
        act: the activation: None, a name, or a module or function.

    Raises:
        ValueError: an input of another rank or number of channels, or with one value per channel
            and sample; a residual of another shape.

    >>> InstanceNorm1d(16, act="relu")(torch.randn(8, 16, 10)).shape
    torch.Size([8, 16, 10])

    Paper: Ulyanov, Vedaldi and Lempitsky, "Instance Normalization", 2016,
    https://arxiv.org/abs/1607.08022
    """

    _spatial = 1


class InstanceNorm2d(_InstanceNormLayer, torch.nn.InstanceNorm2d):
    """Instance normalization of `(N, C, H, W)` or `(C, H, W)`; see `InstanceNorm1d`.

    >>> InstanceNorm2d(16)(torch.randn(8, 16, 4, 4)).shape
    torch.Size([8, 16, 4, 4])
    """

    _spatial = 2


class InstanceNorm3d(_InstanceNormLayer, torch.nn.InstanceNorm3d):
    """Instance normalization of `(N, C, D, H, W)` or `(C, D, H, W)`; see `InstanceNorm1d`.

    >>> InstanceNorm3d(16)(torch.randn(8, 16, 2, 4, 4)).shape
    torch.Size([8, 16, 2, 4, 4])
    """

    _spatial = 3
