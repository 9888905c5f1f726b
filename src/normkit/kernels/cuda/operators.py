"""The operators as `torch.ops.normkit` has them, on a GPU."""

from __future__ import annotations

from torch import Tensor

from normkit.kernels.cuda import checks
from normkit.kernels.cuda.channel_norm import channel_norm, channel_norm_backward
from normkit.kernels.cuda.launch import (
    OVER_BATCH,
    Backward,
    Ending,
    applied,
    check,
    differentiated,
    normalised,
    of_unbiased,
)
from normkit.kernels.cuda.matrix import Matrix, Work
from normkit.kernels.cuda.running import Running, update_running
from normkit.kernels.cuda.sync_batch import batch_moments, sync_batch_norm_backward
from normkit.kernels.library import Gradients, Normalised

__all__ = [
    "apply_statistics",
    "apply_statistics_backward",
    "batch_moments",
    "batch_norm",
    "batch_norm_backward",
    "batch_norm_moving",
    "channel_norm",
    "channel_norm_backward",
    "group_norm",
    "group_norm_backward",
    "sync_batch_norm_backward",
    "update_running",
]


def batch_norm(
    input: Tensor,  # noqa: A002
    residual: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    act: int,
    slope: float,
    keeps_signs: bool,
) -> Normalised:
    """The variance is unbiased, as running statistics take it."""
    ending = Ending(act, slope, keeps_signs)
    return normalised(input, residual, weight, bias, OVER_BATCH, eps, ending)


def batch_norm_moving(
    input: Tensor,  # noqa: A002
    residual: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    num_batches_tracked: Tensor | None,
    momentum: float,
    eps: float,
    act: int,
    slope: float,
    keeps_signs: bool,
) -> Normalised:
    """`batch_norm`, and `update_running` by its statistics."""
    ending = Ending(act, slope, keeps_signs)
    running = Running(running_mean, running_var, num_batches_tracked, momentum)
    return normalised(input, residual, weight, bias, OVER_BATCH, eps, ending, running)


def group_norm(
    input: Tensor,  # noqa: A002
    residual: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    groups: int,
    eps: float,
    act: int,
    slope: float,
    keeps_signs: bool,
) -> Normalised:
    """The variance is biased."""
    ending = Ending(act, slope, keeps_signs)
    return normalised(input, residual, weight, bias, groups, eps, ending)


def apply_statistics(
    input: Tensor,  # noqa: A002
    residual: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    eps: float,
    act: int,
    slope: float,
    keeps_signs: bool,
) -> tuple[Tensor, Tensor]:
    """With statistics that are given, one per channel."""
    check(input, residual, weight, bias, OVER_BATCH)
    checks.check_vectors(input, input.shape[1], mean, variance)
    work = Work.of(input, Matrix.of(input, over_batch=True))
    ending = Ending(act, slope, keeps_signs)
    return applied(work, input, residual, weight, bias, mean, variance, OVER_BATCH, 1, eps, ending)


def batch_norm_backward(
    upstream: Tensor,
    input: Tensor,  # noqa: A002
    residual: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    signs: Tensor | None,
    eps: float,
    act: int,
    slope: float,
    wants_input: bool,
    wants_residual: bool,
) -> Gradients:
    """Of `batch_norm`."""
    call = Backward(upstream, input, residual, weight, bias, mean, variance, signs)
    biased = 1 / of_unbiased(input)
    return differentiated(
        call, OVER_BATCH, biased, eps, act, slope, wants_input, wants_residual, found=True
    )


def group_norm_backward(
    upstream: Tensor,
    input: Tensor,  # noqa: A002
    residual: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    signs: Tensor | None,
    groups: int,
    eps: float,
    act: int,
    slope: float,
    wants_input: bool,
    wants_residual: bool,
) -> Gradients:
    """Of `group_norm`."""
    call = Backward(upstream, input, residual, weight, bias, mean, variance, signs)
    return differentiated(
        call, groups, 1.0, eps, act, slope, wants_input, wants_residual, found=True
    )


def apply_statistics_backward(
    upstream: Tensor,
    input: Tensor,  # noqa: A002
    residual: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    signs: Tensor | None,
    eps: float,
    act: int,
    slope: float,
    wants_input: bool,
    wants_residual: bool,
) -> Gradients:
    """Of `apply_statistics`."""
    call = Backward(upstream, input, residual, weight, bias, mean, variance, signs)
    return differentiated(
        call, OVER_BATCH, 1.0, eps, act, slope, wants_input, wants_residual, found=False
    )
