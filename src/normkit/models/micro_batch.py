"""Norms that see a batch in parts, as if each part had gone through the network alone."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from normkit.functional import batch_norm
from normkit.models.block import make_norm


class MicroBatched(torch.nn.Module):
    """A norm whose statistics are those of micro-batches: of `size` samples each, in order.

    In training, batch normalization standardises every micro-batch by itself and moves its running
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

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, *)` → the same shape."""
        norm = self.norm
        if not isinstance(norm, _BatchNorm) or not self.training:
            y: Tensor = norm(x)
            return y
        if len(x) % self.size:
            raise ValueError(
                f"a batch must hold whole micro-batches; got {len(x)} samples and micro-batches "
                f"of {self.size}: use a batch of {len(x) // self.size * self.size}"
            )
        return self._in_parts(norm, x)

    def _in_parts(self, norm: _BatchNorm, x: Tensor) -> Tensor:
        # The micro-batches stand beside each other as channels, so that one call does for all.
        parts, channels = len(x) // self.size, x.shape[1]
        shape = (parts, self.size, *x.shape[1:])
        beside = x.reshape(shape).transpose(0, 1).reshape(self.size, parts * channels, *x.shape[2:])
        mean, variance = x.new_zeros(2, parts * channels, dtype=torch.float32)
        weight, bias = norm.weight, norm.bias
        y = batch_norm(
            beside,
            mean,
            variance,
            None if weight is None else weight.repeat(parts),
            None if bias is None else bias.repeat(parts),
            training=True,
            momentum=1.0,
            eps=norm.eps,
        )
        if norm.running_mean is not None and norm.running_var is not None:
            momentum = 0.1 if norm.momentum is None else norm.momentum
            with torch.no_grad():
                # What is left of each micro-batch's statistics once the later ones have come.
                left = (1 - momentum) ** torch.arange(parts - 1, -1, -1, device=x.device)
                for running, batch in ((norm.running_mean, mean), (norm.running_var, variance)):
                    moved = (momentum * left) @ batch.reshape(parts, channels)
                    running.mul_((1 - momentum) ** parts).add_(moved.to(running.dtype))
                if norm.num_batches_tracked is not None:
                    norm.num_batches_tracked.add_(parts)
        y = y.reshape(self.size, parts, *x.shape[1:]).transpose(0, 1)
        return y.reshape(x.shape)
