"""Norms that see a batch in parts, as if each part had gone through the network alone."""

from __future__ import annotations

import torch
from torch import Tensor

from normkit.functional.batch import batch_norm_of_batch
from normkit.functional.checks import check_channels
from normkit.functional.running import is_counted, is_recomputation
from normkit.functional.statistics import Moments
from normkit.models.block import make_norm
from normkit.nn import BatchNorm1d, BatchNorm2d, BatchNorm3d
from normkit.nn.batch import BatchNormLayer
from normkit.nn.catalogue import catalogue


def _counts_now(norm: BatchNormLayer) -> bool:
    """Whether each micro-batch simply moves the running statistics."""
    transformed = torch._C._functorch.get_dynamic_layer_stack_depth() > 0
    exact = norm.running_var is None or norm.running_var.dtype in (torch.float32, torch.float64)
    return exact and norm._pool is None and not is_recomputation() and not transformed


_SIDE_BY_SIDE = (BatchNorm1d, BatchNorm2d, BatchNorm3d)
"""Layers whose micro-batches are normalised in one call; those of others go through in turn."""


class MicroBatched(torch.nn.Module):
    """A norm whose statistics are those of micro-batches: of `size` samples each, in order.

    In training, a norm over the batch normalises every micro-batch by itself and moves its running
    statistics by one after the other, which is what gradient accumulation over micro-batches
    does. Norms that take no statistics over the batch see each sample alone anyway and are left
    as they are; so is evaluation.

    Args:
        norm: a key of the catalogue.
        channels: C.
        dims: number of axes of positions.
        size: samples of a micro-batch; it must divide the batch.

    Attributes:
        norm: the layer.

    Raises:
        ValueError: in training, a batch that is no multiple of `size`.

    >>> layer = MicroBatched("batch", 4, dims=2, size=2)
    >>> y = layer(torch.randn(6, 4, 3, 3))
    >>> bool(y[2:4].mean((0, 2, 3)).abs().max() < 1e-6)
    True
    """

    def __init__(self, norm: str, channels: int, dims: int = 2, *, size: int) -> None:
        super().__init__()
        self.norm = make_norm(norm, channels, dims)
        self.size = size
        self.over_batch = catalogue()[norm].over_batch

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, *)` → the same shape."""
        norm = self.norm
        if not self.over_batch or not self.training:
            y: Tensor = norm(x)
            return y
        if len(x) % self.size:
            raise ValueError(
                f"a batch must hold whole micro-batches; got {len(x)} samples and micro-batches "
                f"of {self.size}: use a batch of {len(x) // self.size * self.size}"
            )
        if isinstance(norm, BatchNormLayer) and type(norm) in _SIDE_BY_SIDE and _counts_now(norm):
            norm._check_rank(x)
            check_channels(type(norm).__name__, x, norm.num_features)
            return self._in_parts(norm, x)
        return torch.cat([norm(part) for part in torch.split(x, self.size)])

    def _in_parts(self, norm: BatchNormLayer, x: Tensor) -> Tensor:
        # The micro-batches stand beside each other as channels, so that one call does for all.
        parts, channels = len(x) // self.size, x.shape[1]
        shape = (parts, self.size, *x.shape[1:])
        beside = x.reshape(shape).transpose(0, 1).reshape(self.size, parts * channels, *x.shape[2:])
        weight, bias = norm.weight, norm.bias
        y, moments = batch_norm_of_batch(
            beside,
            None if weight is None else weight.repeat(parts),
            None if bias is None else bias.repeat(parts),
            norm.eps,
        )
        mean, variance = (m.reshape(parts, channels) for m in (moments.mean, moments.variance))
        if norm.track_running_stats:
            self._track_(norm, moments._replace(mean=mean, variance=variance))
        y = y.reshape(self.size, parts, *x.shape[1:]).transpose(0, 1)
        return y.reshape(x.shape)

    @staticmethod
    def _track_(norm: BatchNormLayer, moments: Moments) -> None:
        """Moves running statistics by one micro-batch after the other."""
        parts = len(moments.mean)
        if norm.momentum is None or not is_counted(moments):
            for mean, variance in zip(moments.mean, moments.variance, strict=True):
                norm._track_(Moments(mean, variance, moments.size))
            return
        # What is left of each micro-batch's statistics once the later ones have come.
        left = norm.momentum * (1 - norm.momentum) ** torch.arange(
            parts - 1, -1, -1, dtype=moments.mean.dtype, device=moments.mean.device
        )
        with torch.no_grad():
            for running, batch in (
                (norm.running_mean, moments.mean),
                (norm.running_var, moments.variance),
            ):
                if running is not None:
                    running.mul_((1 - norm.momentum) ** parts).add_(
                        (left @ batch).to(running.dtype)
                    )
            if norm.num_batches_tracked is not None:
                norm.num_batches_tracked.add_(parts)
