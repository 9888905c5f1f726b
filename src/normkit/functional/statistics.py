"""Mean and variance, and what is done with them."""

from __future__ import annotations

import math
from typing import overload

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """`x` in the precision its statistics are computed in: float64 stays, half becomes float32."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def in_precision_of(x: Tensor, other: Tensor) -> Tensor:
    """`other` in the dtype of `x`."""
    # Asked first, because to() takes microseconds even where it has nothing to do.
    return other if other.dtype == x.dtype else other.to(x.dtype)


def value_count(x: Tensor, axes: tuple[int, ...]) -> int:
    """How many values of `x` each statistic over `axes` is taken from."""
    return math.prod(x.shape[axis] for axis in axes)


def centred_moments(
    x: Tensor, axes: tuple[int, ...], groups: int = 1
) -> tuple[Tensor, Tensor, Tensor]:
    """x − mean, −mean, and the biased variance over `axes`, which are kept with size 1.

    The variance is the mean square of the centred values, never E[x²] − E[x]², which cancels.
    With several groups `axes` must start with the channel axis, which is kept whole: each channel
    has the statistics of its group.

    >>> centred, minus_mean, variance = centred_moments(torch.tensor([[1.0, 3.0]]), (1,))
    >>> centred, minus_mean.item(), variance.item()
    (tensor([[-1.,  1.]]), -2.0, 1.0)
    """
    # Written for the fewest passes over x on a CPU, forwards and backwards: over several axes
    # torch.var_mean takes twenty times as long as sum(); the backwards of mean(), of a difference,
    # of square() and of addcmul() each write one more tensor of the size of x than those of a
    # sum, of an addition and of a product.
    count = max(value_count(x, axes) // groups, 1)
    minus_mean = _total(x, axes, groups) * (-1 / count)
    centred = x + minus_mean
    # Where the mean is large its own rounding remains. A second centring takes it out; in exact
    # arithmetic it is zero for every x, so its derivatives are zero too.
    rounding = _total(centred.detach(), axes, groups) * (-1 / count)
    centred.add_(rounding)
    minus_mean = minus_mean + rounding
    variance = _total(centred * centred, axes, groups) * (1 / count)
    return centred, minus_mean, variance


def _total(x: Tensor, axes: tuple[int, ...], groups: int) -> Tensor:
    if groups == 1:
        return x.sum(axes, keepdim=True)
    # The positions first, then the few channels of a group. In one sum over (N, G, C / G, *)
    # PyTorch is up to thirty times slower where the memory is channels-last.
    total = x.sum(axes[1:], keepdim=True) if len(axes) > 1 else x
    samples, channels = x.shape[:2]
    in_groups = total.reshape(samples, groups, channels // groups).sum(2, keepdim=True)
    return in_groups.expand(-1, -1, channels // groups).reshape(total.shape)


def scale_and_shift(x: Tensor, scale: Tensor | None, shift: Tensor | None) -> Tensor:
    """x · scale + shift, where either may be None."""
    if scale is not None:
        x = x * scale
    return x if shift is None else x + shift


@overload
def per_channel(vector: Tensor, x: Tensor) -> Tensor: ...
@overload
def per_channel(vector: Tensor | None, x: Tensor) -> Tensor | None: ...
def per_channel(vector: Tensor | None, x: Tensor) -> Tensor | None:
    """A vector of shape `(C)`, in the precision of `x` and in a shape that meets `(N, C, *)`."""
    if vector is None:
        return None
    return in_precision_of(x, vector).reshape(-1, *(1,) * (x.ndim - 2))


def update_running_(running: Tensor, batch: Tensor, momentum: float) -> None:
    """Moves a running statistic towards the batch's: running + momentum · (batch − running)."""
    with torch.no_grad():
        running.lerp_(in_precision_of(running, batch.detach().reshape(running.shape)), momentum)
