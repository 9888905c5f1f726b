"""Batch normalization layer that sees the batches of all processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch.distributed as dist
from torch import Tensor

from normkit.functional import Activation
from normkit.functional.checks import check_input
from normkit.functional.statistics import Moments
from normkit.functional.sync_batch import sync_batch_norm_of_batches
from normkit.nn.batch import BatchNormLayer
from normkit.nn.method import Method


class SyncBatchNorm(BatchNormLayer):
    """Batch normalization of `(N, C, *)` over the batches of all processes and all positions.

    y = act(γ · (x − μ) / √(σ² + ε) + β + residual), with μ and σ² per channel over the samples of
    every process in training, and the running statistics in evaluation.

    It works on any device and backend, on the CPU with gloo too, with batches of different sizes,
    and called several times in a step. Arguments and `state_dict` are those of
    `torch.nn.SyncBatchNorm`. It is no subclass of that one, because DistributedDataParallel refuses
    those on a CPU.

    Args:
        num_features: C.
        eps: ε, added to the variance.
        momentum: how far the running statistics move towards the batches'; None takes the
            cumulative average.
        affine: whether γ and β exist.
        track_running_stats: whether running statistics are kept; without them evaluation uses the
            process's own batch.
        process_group: the processes; None means all.
        device: as in PyTorch.
        dtype: as in PyTorch.
        bias: whether β exists, where `affine` is on.
        act: the activation: None, a name, or a module or function.

    Raises:
        ValueError: an input with another number of channels, or, where there is one process, with
            one value per channel in training; a process outside of its group; a residual of
            another shape.

    >>> import torch
    >>> SyncBatchNorm(16, act="relu")(torch.randn(8, 16, 4, 4)).shape
    torch.Size([8, 16, 4, 4])

    Paper: Ioffe and Szegedy, "Batch Normalization", 2015, https://arxiv.org/abs/1502.03167;
    over several devices in Peng et al., "MegDet", 2018, https://arxiv.org/abs/1711.07240
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: dist.ProcessGroup | None = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
        act: Activation = None,
    ) -> None:
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
        self.process_group = process_group

    def _check_rank(self, x: Tensor) -> None:
        check_input(type(self).__name__, x)

    def _of_batch(self, x: Tensor, ending: Mapping[str, Any]) -> tuple[Tensor, Moments | None]:
        if not self.training:
            # The other processes may not be evaluating, and would not answer.
            return super()._of_batch(x, ending)
        return sync_batch_norm_of_batches(
            x, self.weight, self.bias, self.eps, process_group=self.process_group, **ending
        )


METHOD = Method(
    name="sync_batch",
    title="batch normalization over all processes",
    year=2018,
    paper="Peng et al., MegDet, https://arxiv.org/abs/1711.07240",
    axes="N of all processes, *",
    state_dict=("weight", "bias", "running_mean", "running_var", "num_batches_tracked"),
    layers={1: SyncBatchNorm, 2: SyncBatchNorm, 3: SyncBatchNorm},
    needs="more than one value per channel in training, over all processes",
    when="Training on several devices, each with few samples.",
    standardises="batch",
)
