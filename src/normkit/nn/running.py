"""Layers that keep running statistics, and how several micro-batches are made to count as one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from normkit.functional.running import assign_, is_counted, is_recomputation, update_running_
from normkit.functional.statistics import Moments, at_least_float32


class RunningStatistics(torch.nn.Module):
    """Base of the layers that keep running statistics: what a batch does to them.

    `normkit.functional.running` says which batches count.
    """

    momentum: float | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    _pool: Pool | None = None
    """Where the batches of one optimizer step are collected, inside `accumulate`."""

    _joins_batches = True
    """Whether several batches count as the one they are together; else as their average."""

    def _track_(self, moments: Moments) -> None:
        if self._pool is not None:
            self._pool.add_(moments)
            return
        momentum: float | Tensor = 0.0 if self.momentum is None else self.momentum
        if self.momentum is None and self.num_batches_tracked is not None:
            # The cumulative average: the n-th batch weighs 1 / n.
            seen = self.num_batches_tracked.to(at_least_float32(moments.mean).dtype)
            momentum = 1 / (seen + 1)
        update_running_(
            self.running_mean, self.running_var, moments, momentum, self.num_batches_tracked
        )


class Pool:
    """The moments of several batches as one.

    Args:
        like: the moments of one of them, for shape, dtype and device.
        joins: whether the variance is the one of all values together; otherwise it is the average
            of the batches' variances.
    """

    def __init__(self, like: Tensor, joins: bool) -> None:
        self.joins = joins
        self.mean = torch.zeros_like(at_least_float32(like))
        self.squares = torch.zeros_like(self.mean)
        """The sum of the squared distances from the mean, or of the variances times their sizes."""
        self.size = self.mean.new_zeros(())

    def add_(self, moments: Moments) -> None:
        """Takes in one batch, unless it is one that moves no running statistics."""
        if is_recomputation():
            return
        counts = is_counted(moments)
        with torch.no_grad():
            size = torch.as_tensor(moments.size, dtype=self.mean.dtype, device=counts.device)
            size = torch.where(counts, size.reshape(()), 0.0)
            total = self.size + size
            share = size / total.clamp(min=1)
            # What is not counted may be infinite, and zero times infinity is not zero.
            step = torch.where(counts, moments.mean - self.mean, 0.0)
            variance = torch.where(counts, moments.variance, 0.0)
            squares = variance * size
            if self.joins:
                squares = variance * (size - 1) + step.square() * (self.size * share)
            assign_(self.squares, self.squares + squares)
            assign_(self.mean, self.mean + step * share)
            assign_(self.size, total)

    def moments(self) -> Moments:
        """Of all batches together; of none if none counted."""
        others = self.size - 1 if self.joins else self.size
        return Moments(self.mean, self.squares / others.clamp(min=1), self.size)


@contextmanager
def accumulate(model: torch.nn.Module) -> Iterator[None]:
    """Makes all the batches inside count as one, for the running statistics of a model.

    Where gradients are accumulated over several micro-batches, running statistics would move once
    for each, and with them `num_batches_tracked`. Around the micro-batches of one optimizer step,
    they move once, by the statistics of all the samples together; after an exception not at all.
    Each micro-batch is still normalised with its own statistics.

    Args:
        model: whose layers with running statistics, of normkit, are concerned.

    Raises:
        RuntimeError: the model is already inside one.

    >>> import normkit as nk
    >>> layer = nk.nn.BatchNorm2d(4)
    >>> with nk.accumulate(layer):
    ...     for _ in range(8):
    ...         y = layer(torch.randn(2, 4, 5, 5))
    >>> layer.num_batches_tracked
    tensor(1)
    """
    layers = [
        (module, module.running_mean)
        for module in model.modules()
        if isinstance(module, RunningStatistics)
    ]
    kept = [(layer, mean) for layer, mean in layers if mean is not None]
    if any(layer._pool is not None for layer, _ in kept):
        raise RuntimeError(
            "accumulate is around all the micro-batches of one optimizer step; this model is "
            "already inside one. Leave that one first."
        )
    for layer, mean in kept:
        layer._pool = Pool(mean, layer._joins_batches)
    try:
        yield
    except BaseException:
        for layer, _ in kept:
            layer._pool = None
        raise
    for layer, _ in kept:
        pool, layer._pool = layer._pool, None
        if pool is not None:
            layer._track_(pool.moments())
