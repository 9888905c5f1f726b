"""Batch normalization layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from normkit.functional import Activation, batch_norm
from normkit.functional.batch import batch_norm_moving, batch_norm_of_batch
from normkit.functional.checks import check_channels, check_rank
from normkit.functional.statistics import Moments
from normkit.kernels.running import Running
from normkit.nn.activation import Activated
from normkit.nn.method import Method
from normkit.nn.running import RunningStatistics


class BatchNormLayer(Activated, RunningStatistics, _BatchNorm):
    """What the batch normalization layers of all dimensions have in common."""

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

    def forward(
        self,
        input: Tensor,  # noqa: A002
        residual: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Returns `act(norm(input) + residual)`; only what `mask` keeps is in the statistics."""
        self._check_rank(input)
        check_channels(type(self).__name__, input, self.num_features)
        ending: dict[str, Any] = {"act": self.act, "residual": residual, "mask": mask}
        if self.training or (self.running_mean is None and self.running_var is None):
            y, moments = self._of_batch(input, ending)
            if moments is not None and self.training and self.track_running_stats:
                self._track_(moments)
            return y
        return batch_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            eps=self.eps,
            **ending,
        )

    def _check_rank(self, x: Tensor) -> None:
        check_rank(type(self).__name__, x, self._spatial)

    def _of_batch(self, x: Tensor, ending: Mapping[str, Any]) -> tuple[Tensor, Moments | None]:
        """What the layer does in training: the output, and what running statistics are to move by.

        That is None where they have moved in the same step, as they do unless they wait for other
        batches or are a cumulative average.
        """
        affine = (self.weight, self.bias, self.eps)
        momentum = self.momentum if self._pool is None else None
        if momentum is None or not self.training or not self.track_running_stats:
            return batch_norm_of_batch(x, *affine, **ending)
        running = Running(self.running_mean, self.running_var, self.num_batches_tracked, momentum)
        return batch_norm_moving(x, running, *affine, **ending), None


class BatchNorm1d(BatchNormLayer, torch.nn.BatchNorm1d):
    """Batch normalization of `(N, C)` or `(N, C, L)`, over the batch and all positions.

    y = act(γ · (x − μ) / √(σ² + ε) + β + residual), with μ and σ² of the batch in training and the
    running statistics in evaluation. `normkit.functional.running` tells which batches move these,
    and `normkit.accumulate` makes several count as one.

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


class BatchNorm2d(BatchNormLayer, torch.nn.BatchNorm2d):
    """Batch normalization of `(N, C, H, W)`; see `BatchNorm1d`.

    >>> x = torch.randn(8, 16, 4, 4)
    >>> BatchNorm2d(16, act="relu")(x, residual=x).shape
    torch.Size([8, 16, 4, 4])
    """

    _spatial = 2


class BatchNorm3d(BatchNormLayer, torch.nn.BatchNorm3d):
    """Batch normalization of `(N, C, D, H, W)`; see `BatchNorm1d`.

    >>> BatchNorm3d(16)(torch.randn(8, 16, 2, 4, 4)).shape
    torch.Size([8, 16, 2, 4, 4])
    """

    _spatial = 3


METHOD = Method(
    name="batch",
    title="batch normalization",
    year=2015,
    paper="Ioffe and Szegedy, Batch Normalization, https://arxiv.org/abs/1502.03167",
    axes="N, *",
    state_dict=("weight", "bias", "running_mean", "running_var", "num_batches_tracked"),
    layers={1: BatchNorm1d, 2: BatchNorm2d, 3: BatchNorm3d},
    needs="more than one value per channel in training",
    when="Images in batches of 16 or more, drawn at random from one source.",
    standardises="batch",
)
