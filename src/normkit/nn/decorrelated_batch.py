"""Decorrelated batch normalization layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from normkit.functional.decorrelated_batch import decorrelated_batch_norm_of_batch
from normkit.functional.inverse_root import inverse_root
from normkit.functional.statistics import Moments
from normkit.nn.method import Method
from normkit.nn.whitening import WhiteningLayer


class DecorrelatedBatchNormLayer(WhiteningLayer):
    """What the decorrelated batch normalization layers of all dimensions have in common."""

    _at_most = 16
    _function = "decorrelated_batch_norm"

    def _of_batch(self, x: Tensor, ending: Mapping[str, Any]) -> tuple[Tensor, Moments]:
        return decorrelated_batch_norm_of_batch(
            x, self.weight, self.bias, self.eps, self.num_groups, **ending
        )

    def _project(self, covariance: Tensor) -> Tensor:
        return inverse_root(covariance, self.eps)


class DecorrelatedBatchNorm1d(DecorrelatedBatchNormLayer):
    """Decorrelated batch normalization of `(N, C)` or `(N, C, L)`: whitens groups of channels.

    y = act(γ · W (x − μ) + β + residual), with W = (Σ + εI)^(−1/2), the symmetric root, and Σ the
    covariance of the channels of a group over the batch and all positions. In evaluation μ and Σ
    are the running statistics. With as many groups as channels it is batch normalization.

    The paper averages the batches' W where this averages Σ; `normkit.functional.whitening` tells
    why.

    Args:
        num_features: C.
        num_groups: G, a divisor of C; None takes the fewest that leave at most 16 channels each.
        eps: ε, added to the eigenvalues of Σ.
        momentum: how far the running statistics move towards the batch's; None takes the
            cumulative average.
        affine: whether γ and β exist.
        track_running_stats: whether running statistics are kept; without them evaluation uses the
            batch's too.
        device: as in PyTorch.
        dtype: as in PyTorch.
        act: the activation: None, a name, or a module or function.

    Raises:
        ValueError: G does not divide C; an input of another rank or number of channels, or with
            one value per channel in training; a residual of another shape.

    >>> import torch
    >>> DecorrelatedBatchNorm1d(16, num_groups=2, act="relu")(torch.randn(32, 16)).shape
    torch.Size([32, 16])

    Paper: Huang, Yang, Lang and Deng, "Decorrelated Batch Normalization", 2018,
    https://arxiv.org/abs/1804.08450
    """

    _spatial = 1


class DecorrelatedBatchNorm2d(DecorrelatedBatchNormLayer):
    """Decorrelated batch normalization of `(N, C, H, W)`; see `DecorrelatedBatchNorm1d`.

    >>> import torch
    >>> DecorrelatedBatchNorm2d(16, num_groups=2)(torch.randn(8, 16, 4, 4)).shape
    torch.Size([8, 16, 4, 4])
    """

    _spatial = 2


class DecorrelatedBatchNorm3d(DecorrelatedBatchNormLayer):
    """Decorrelated batch normalization of `(N, C, D, H, W)`; see `DecorrelatedBatchNorm1d`.

    >>> import torch
    >>> DecorrelatedBatchNorm3d(16, num_groups=2)(torch.randn(8, 16, 2, 4, 4)).shape
    torch.Size([8, 16, 2, 4, 4])
    """

    _spatial = 3


METHOD = Method(
    name="decorrelated_batch",
    title="decorrelated batch normalization",
    year=2018,
    paper="Huang, Yang, Lang and Deng, Decorrelated Batch Normalization, "
    "https://arxiv.org/abs/1804.08450",
    axes="N, C / G, *",
    state_dict=(
        "weight",
        "bias",
        "running_mean",
        "running_covariance",
        "running_projection",
        "num_batches_tracked",
    ),
    layers={
        1: DecorrelatedBatchNorm1d,
        2: DecorrelatedBatchNorm2d,
        3: DecorrelatedBatchNorm3d,
    },
    needs="more than one value per channel in training, better many more than C / G",
    when="Large batches, where channels that do not repeat each other are worth their cost.",
)
