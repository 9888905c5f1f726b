"""What the kernels can be given: they go by addresses, whatever is there."""

from __future__ import annotations

import torch
from torch import Tensor

from normkit.kernels.choice import DTYPES, is_channels_last
from normkit.kernels.library import sign_bytes


def check_map(x: Tensor, *, axes: int = 1) -> None:
    """Raises unless a map can be gone through: dense, of a known kind, of so many axes or more."""
    if x.dtype not in DTYPES:
        raise RuntimeError("normkit's kernels take float64, float32, bfloat16 and float16.")
    if x.ndim < axes or x.numel() == 0 or not (x.is_contiguous() or is_channels_last(x)):
        raise RuntimeError(
            "normkit's kernels take maps that are contiguous or channels-last, and not empty."
        )


def check_groups(x: Tensor, groups: int) -> None:
    """Raises unless the channels of a map fall into so many groups."""
    if groups < 1 or x.shape[1] % groups:
        raise RuntimeError(
            "normkit's kernels take (N, C, *), and a number of groups that divides C."
        )


def check_like(x: Tensor, residual: Tensor | None) -> None:
    """Raises unless a residual lies in memory as the input does."""
    if residual is not None and not (_has_shape_of(x, residual) and lies_as(x, residual)):
        raise RuntimeError(
            "normkit's kernels take a residual of the shape, dtype and layout of the input."
        )


def check_vectors(x: Tensor, size: int, *vectors: Tensor | None) -> None:
    """Raises unless each has one value per channel."""
    for vector in vectors:
        if vector is not None and not (
            vector.numel() == size
            and vector.is_contiguous()
            and vector.device == x.device
            and vector.dtype in DTYPES
        ):
            raise RuntimeError(
                "normkit's kernels take contiguous vectors of one value per channel."
            )


def check_places(x: Tensor, size: int, trailing: bool) -> None:
    """Raises unless `size` values of each position are normalised together."""
    if trailing:
        fits = x.is_contiguous() and size > 0 and x.numel() % size == 0
    else:
        fits = x.ndim > 1 and x.shape[1] == size
    if not fits:
        raise RuntimeError(
            "channel_norm is over the channels, or over the last values of a contiguous tensor."
        )


def check_statistics(x: Tensor, count: int, *statistics: Tensor) -> None:
    """Raises unless these are what a forward returned."""
    for statistic in statistics:
        if not (
            statistic.dtype is torch.float64
            and statistic.numel() == count
            and statistic.is_contiguous()
            and statistic.device == x.device
        ):
            raise RuntimeError(
                "normkit's kernels take in their backward the statistics that their forward "
                "returned."
            )


def check_running(
    running_mean: Tensor | None,
    running_var: Tensor | None,
    num_batches_tracked: Tensor | None,
    *of_batch: Tensor,
) -> None:
    """Raises unless running statistics can be moved by those of a batch."""
    for running, batch in zip((running_mean, running_var), of_batch, strict=True):
        if running is not None and not (
            batch.dtype is torch.float64
            and batch.numel() == running.numel()
            and running.is_contiguous()
            and running.device == batch.device
            and running.dtype in DTYPES
        ):
            raise RuntimeError(
                "update_running takes a batch's statistics in float64, as many as there are "
                "running ones."
            )
    count = num_batches_tracked
    if count is not None and not (
        count.dtype is torch.int64 and count.numel() == 1 and count.device == of_batch[0].device
    ):
        raise RuntimeError("update_running counts batches in one int64.")


def check_signs(x: Tensor, signs: Tensor | None) -> None:
    """Raises unless these are what a forward returned."""
    if signs is not None and signs.numel() != sign_bytes(x):
        raise RuntimeError(
            "normkit's kernels take in their backward the signs that their forward returned."
        )


def check_asks_residual(wants_residual: bool, act: int) -> None:
    """Raises where the gradient of a residual is asked for that is the upstream one."""
    if wants_residual and act == 0:
        raise RuntimeError(
            "normkit's kernels give a residual's gradient with an activation alone; without one "
            "it is the upstream gradient."
        )


def beside(x: Tensor, upstream: Tensor) -> Tensor:
    """An upstream gradient as the input lies in memory: itself, or a copy."""
    if not _has_shape_of(x, upstream):
        raise RuntimeError(
            "normkit's kernels take an upstream gradient of the shape and dtype of the input."
        )
    return upstream if lies_as(x, upstream) else torch.empty_like(x).copy_(upstream)


def _has_shape_of(x: Tensor, other: Tensor) -> bool:
    return other.shape == x.shape and other.dtype == x.dtype and other.device == x.device


def lies_as(x: Tensor, other: Tensor) -> bool:
    """Whether two of the same shape have the same strides, where a stride means anything."""
    return all(
        size == 1 or one == another
        for size, one, another in zip(x.shape, x.stride(), other.stride(), strict=True)
    )
