"""Batch normalization layers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from normkit.functional import Activation, batch_norm
from normkit.functional.checks import check_rank
from normkit.nn.activation import Activated


class _BatchNormLayer(Activated, _BatchNorm):
    _spatial: int

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
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
        check_rank(type(self).__name__, input, self._spatial)
        tracks = self.training and self.track_running_stats
        momentum = 0.0 if self.momentum is None else self.momentum
        if tracks and self.momentum is None and self.num_batches_tracked is not None:
            # The cumulative average: the n-th batch weighs 1 / n.
            momentum = 1.0 / float(self.num_batches_tracked + 1)
        uses_running = tracks or not self.training
        y = batch_norm(
            input,
            self.running_mean if uses_running else None,
            self.running_var if uses_running else None,
            self.weight,
            self.bias,
            self.training or (self.running_mean is None and self.running_var is None),
            momentum,
            self.eps,
            act=self.act,
            residual=residual,
        )
        if tracks and self.num_batches_tracked is not None:
            # After the formula, so that an input it refuses is not counted.
            with torch.no_grad():
                self.num_batches_tracked.add_(1)
        return y


class BatchNorm1d(_BatchNormLayer, torch.nn.BatchNorm1d):
    """Batch normalization of `(N, C)` or `(N, C, L)`, over the batch and all positions.

    y = act(γ · (x − μ) / √(σ² + ε) + β + residual), with μ and σ² of the batch in training and the
    running statistics in evaluation.

    Args:
        num_features: C.
        eps: ε, added to the variance.
        momentum: how far the running statistics move towards the batch's; None takes the
            cumulative average.
        affine: whether γ and β exist.
        track_running_stats: whether running statistics are kept; without them evaluation uses the
            batch's too.
        device: as in PyTorch.
        dtype: as in PyTorch.
        bias: whether β exists, where `affine` is on.
        act: the activation: None, a name, or a module or function.

    Raises:
        ValueError: an input of another rank or number of channels, or with one value per channel
            in training; a residual of another shape.

    >>> BatchNorm1d(16, act="relu")(torch.randn(8, 16)).shape
    torch.Size([8, 16])

    Paper: Ioffe and Szegedy, "Batch Normalization", 2015, https://arxiv.org/abs/1502.03167
    """

    _spatial = 1


class BatchNorm2d(_BatchNormLayer, torch.nn.BatchNorm2d):
    """Batch normalization of `(N, C, H, W)`; see `BatchNorm1d`.

    >>> x = torch.randn(8, 16, 4, 4)
    >>> BatchNorm2d(16, act="relu")(x, residual=x).shape
    torch.Size([8, 16, 4, 4])
    """

    _spatial = 2


class BatchNorm3d(_BatchNormLayer, torch.nn.BatchNorm3d):
    """Batch normalization of `(N, C, D, H, W)`; see `BatchNorm1d`.

    >>> BatchNorm3d(16)(torch.randn(8, 16, 2, 4, 4)).shape
    torch.Size([8, 16, 2, 4, 4])
    """

    _spatial = 3
