"""Ghost batch normalization layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from normkit.functional import Activation
from normkit.functional.ghost_batch import check_ghost_batch_size, ghost_batch_norm_of_batch
from normkit.functional.statistics import Moments
from normkit.nn.batch import BatchNormLayer
from normkit.nn.method import Method


class GhostBatchNormLayer(BatchNormLayer):
    """What the ghost batch normalization layers of all dimensions have in common."""

    _joins_batches = False

    def __init__(
        self,
        num_features: int,
        ghost_batch_size: int = 32,
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
        check_ghost_batch_size(ghost_batch_size)
        super().__init__(
            num_features,
            eps,
            momentum,
            affine,
            track_running_stats,
            device,
            dtype,
            bias=bias,
            act=act,
        )
        self.ghost_batch_size = ghost_batch_size

    def _of_batch(self, x: Tensor, ending: Mapping[str, Any]) -> tuple[Tensor, Moments]:
        return ghost_batch_norm_of_batch(
            x, self.weight, self.bias, self.eps, ghost_batch_size=self.ghost_batch_size, **ending
        )

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, ghost_batch_size={self.ghost_batch_size}"


class GhostBatchNorm1d(GhostBatchNormLayer):
    """Ghost batch normalization of `(N, C)` or `(N, C, L)`, over parts of the batch.

    y = act(γ · (x − μ) / √(σ² + ε) + β + residual), with μ and σ² of a ghost batch in training and
    the running statistics in evaluation.

    A batch of N samples is cut into max(⌊N / ghost_batch_size⌋, 1) ghost batches, of samples that
    follow each other. They are as equal as can be, the last N mod that number one sample larger.
    So none is smaller than `ghost_batch_size` unless the whole batch is. The running statistics
    move once a batch, towards the average of its ghost batches;
    `normkit.functional.ghost_batch_norm` tells how the paper's rule differs.

    Args:
        num_features: C.
        ghost_batch_size: how many samples a ghost batch has at least.
        eps: ε, added to the variance.
        momentum: how far the running statistics move towards the batch's; None takes the
            cumulative average.
        affine: whether γ and β exist.
        track_running_stats: whether running statistics are kept; without them evaluation uses the
            ghost batches' too.
        device: as in PyTorch.
        dtype: as in PyTorch.
        bias: whether β exists, where `affine` is on.
        act: the activation: None, a name, or a module or function.

    Raises:
        ValueError: a `ghost_batch_size` below 1; an input of another rank or number of channels,
            or with one value per channel and ghost batch in training; a residual of another shape.

    >>> import torch
    >>> GhostBatchNorm1d(16, ghost_batch_size=4, act="relu")(torch.randn(9, 16)).shape
    torch.Size([9, 16])

    Paper: Hoffer, Hubara and Soudry, "Train longer, generalize better: closing the generalization
    gap in large batch training of neural networks", 2017, https://arxiv.org/abs/1705.08741
    """

    _spatial = 1


class GhostBatchNorm2d(GhostBatchNormLayer):
    """Ghost batch normalization of `(N, C, H, W)`; see `GhostBatchNorm1d`.

    >>> import torch
    >>> x = torch.randn(8, 16, 4, 4)
    >>> GhostBatchNorm2d(16, ghost_batch_size=4, act="relu")(x, residual=x).shape
    torch.Size([8, 16, 4, 4])
    """

    _spatial = 2


class GhostBatchNorm3d(GhostBatchNormLayer):
    """Ghost batch normalization of `(N, C, D, H, W)`; see `GhostBatchNorm1d`.

    >>> import torch
    >>> GhostBatchNorm3d(16, ghost_batch_size=4)(torch.randn(8, 16, 2, 4, 4)).shape
    torch.Size([8, 16, 2, 4, 4])
    """

    _spatial = 3


METHOD = Method(
    name="ghost_batch",
    title="ghost batch normalization",
    year=2017,
    paper="Hoffer, Hubara and Soudry, Train longer, generalize better, "
    "https://arxiv.org/abs/1705.08741",
    axes="N of a ghost batch, *",
    state_dict=("weight", "bias", "running_mean", "running_var", "num_batches_tracked"),
    layers={1: GhostBatchNorm1d, 2: GhostBatchNorm2d, 3: GhostBatchNorm3d},
    needs="more than one value per channel and ghost batch in training",
    when="Batches of hundreds or more, which generalise worse than small ones.",
    standardises="batch",
)
