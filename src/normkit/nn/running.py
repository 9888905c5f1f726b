"""Layers that keep running statistics, and how several micro-batches are made to count as one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

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

    _covariance_groups: int | None = None
    """The groups of channels whose covariances are kept; None for the variance of each channel."""

    def _set_running(
        self, channels: int, tracks: bool, device: Any, dtype: Any, mean: bool = True
    ) -> None:
        """Registers the buffers, of a layer that is none of PyTorch's."""
        vectors = {"running_mean": tracks and mean, "running_var": tracks}
        for name, exists in vectors.items():
            vector = torch.empty(channels, device=device, dtype=dtype) if exists else None
            self.register_buffer(name, vector)
        tracked = torch.tensor(0, dtype=torch.long, device=device) if tracks else None
        self.register_buffer("num_batches_tracked", tracked)
        self.reset_running_stats()

    def __getstate__(self) -> dict[str, Any]:
        # A copy made inside `accumulate` is a layer of its own, which nothing collects for.
        return {name: value for name, value in vars(self).items() if name != "_pool"}

    @property
    def _kept(self) -> Tensor | None:
        """A running statistic of one value per channel; None where none are kept."""
        return self.running_var if self.running_mean is None else self.running_mean

    def reset_running_stats(self) -> None:
        """Forgets the batches: mean 0, variance 1, none counted."""
        if self.running_mean is not None:
            self.running_mean.zero_()
        if self.running_var is not None:
            self.running_var.fill_(1)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.zero_()

    def new_pool(self) -> Pool | None:
        """One that counts batches as this layer does; None where it keeps no statistics."""
        like = self._kept
        if like is None:
            return None
        return Pool(like, self._joins_batches, self._covariance_groups)

    def _track_(self, moments: Moments) -> None:
        if self._pool is not None:
            self._pool.add_(moments)
            return
        self._move_(moments, self._momentum_after(self.num_batches_tracked, moments.mean))

    def _move_(self, moments: Moments, momentum: float | Tensor) -> None:
        update_running_(
            self.running_mean, self.running_var, moments, momentum, self.num_batches_tracked
        )

    def _momentum_after(self, seen: Tensor | None, like: Tensor) -> float | Tensor:
        """How far a batch moves the running statistics, after as many others as `seen`."""
        if self.momentum is not None:
            return self.momentum
        if seen is None:
            return 0.0
        # The cumulative average: the n-th batch weighs 1 / n.
        return 1 / (seen.to(at_least_float32(like).dtype) + 1)


class Pool:
    """The moments of several batches as one.

    Args:
        like: the moments of one of them, for shape, dtype and device.
        joins: whether the variance is the one of all values together; otherwise it is the average
            of the batches' variances.
        groups: G, where the variances are covariances `(G, d, d)`; otherwise None.
    """

    def __init__(self, like: Tensor, joins: bool, groups: int | None = None) -> None:
        self.joins = joins
        self.groups = groups
        self.mean = torch.zeros_like(at_least_float32(like))
        self.squares = torch.zeros_like(self._squared(self.mean))
        """The sum of the squared distances from the mean, or of the variances times their sizes."""
        self.size = self.mean.new_zeros(())

    def add_(self, moments: Moments) -> None:
        """Takes in one batch, unless it is one that moves no running statistics."""
        if is_recomputation():
            return
        counts = is_counted(moments)
        with torch.no_grad():
            size = (
                moments.size.to(self.mean.dtype)
                if isinstance(moments.size, Tensor)
                else self.size.new_full((), moments.size)
            )
            size = torch.where(counts, size.reshape(()), 0.0)
            total = self.size + size
            share = size / total.clamp(min=1)
            # What is not counted may be infinite, and zero times infinity is not zero.
            step = torch.where(counts, moments.mean - self.mean, 0.0)
            variance = torch.where(counts, moments.variance, 0.0)
            squares = variance * size
            if self.joins:
                squares = variance * (size - 1) + self._squared(step) * (self.size * share)
            assign_(self.squares, self.squares + squares)
            assign_(self.mean, self.mean + step * share)
            assign_(self.size, total)

    def _squared(self, step: Tensor) -> Tensor:
        """The square of each, or the products of any two of a group."""
        if self.groups is None:
            return step.square()
        in_groups = step.reshape(self.groups, -1)
        return in_groups.unsqueeze(2) * in_groups.unsqueeze(1)

    def join_processes(self) -> None:
        """Takes in the batches of all processes of `torch.distributed`: all call it, in step."""
        total, mean = self.size.clone(), self.mean * self.size
        dist.all_reduce(total)
        dist.all_reduce(mean)
        mean /= total.clamp(min=1)
        squares = self.squares
        if self.joins:
            squares = squares + self._squared(self.mean - mean) * self.size
        squares = squares.clone()
        dist.all_reduce(squares)
        assign_(self.size, total)
        assign_(self.mean, mean)
        assign_(self.squares, squares)

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
        ValueError: there is a batch normalization layer in it that is not normkit's.

    >>> import normkit as nk
    >>> layer = nk.nn.BatchNorm2d(4)
    >>> with nk.accumulate(layer):
    ...     for _ in range(8):
    ...         y = layer(torch.randn(2, 4, 5, 5))
    >>> layer.num_batches_tracked
    tensor(1)
    """
    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm) and not isinstance(module, RunningStatistics):
            raise ValueError(
                "accumulate concerns normkit's layers; the statistics of another would move with "
                f"every micro-batch: {name or 'the model'}, a "
                f"{type(module).__module__}.{type(module).__name__}. Use the layer of the same "
                "name in normkit.nn."
            )
    layers = [module for module in model.modules() if isinstance(module, RunningStatistics)]
    kept = [(layer, pool) for layer in layers if (pool := layer.new_pool()) is not None]
    if any(layer._pool is not None for layer, _ in kept):
        raise RuntimeError(
            "accumulate is around all the micro-batches of one optimizer step; this model is "
            "already inside one. Leave that one first."
        )
    for layer, new in kept:
        layer._pool = new
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


@contextmanager
def uncounted(layer: torch.nn.Module) -> Iterator[None]:
    """Inside, a layer normalises as ever, but what it sees moves no running statistics.

    Args:
        layer: of normkit; one that keeps no running statistics is as ever.

    >>> import normkit as nk
    >>> layer = nk.nn.BatchNorm2d(4)
    >>> with uncounted(layer):
    ...     y = layer(torch.randn(2, 4, 5, 5))
    >>> layer.num_batches_tracked
    tensor(0)
    """
    aside = layer.new_pool() if isinstance(layer, RunningStatistics) else None
    if not isinstance(layer, RunningStatistics) or aside is None:
        yield
        return
    before, layer._pool = layer._pool, aside
    try:
        yield
    finally:
        layer._pool = before
