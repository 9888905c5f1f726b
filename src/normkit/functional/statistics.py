"""Mean and variance, and what is done with them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, overload

import torch
from torch import Tensor


class Moments(NamedTuple):
    """What running statistics are moved by, per channel.

    Attributes:
        mean: `(C)`.
        variance: `(C)`, unbiased; of a method that whitens the covariances `(G, d, d)`.
        size: how many values each is taken from; a tensor where a mask decides.
    """

    mean: Tensor
    variance: Tensor
    size: int | Tensor


def at_least_float32(x: Tensor, kept: Tensor | None = None) -> Tensor:
    """`x` in the precision its statistics are computed in: float64 stays, half becomes float32.

    What a mask leaves out and is not finite becomes 0, or it would reach the gradients of what is
    kept: zero times infinity is not zero.
    """
    x = x if x.dtype in (torch.float32, torch.float64) else x.float()
    return x if kept is None else torch.where(kept | x.isfinite(), x, 0.0)


def in_precision_of(x: Tensor, other: Tensor) -> Tensor:
    """`other` in the dtype of `x`."""
    # Asked first, because to() takes microseconds even where it has nothing to do.
    return other if other.dtype == x.dtype else other.to(x.dtype)


def value_count(x: Tensor, axes: tuple[int, ...]) -> int:
    """How many values of `x` each statistic over `axes` is taken from."""
    shape = x.shape
    # A list, since torch.compile cannot hand a generator on.
    return math.prod([shape[axis] for axis in axes])


def kept_count(x: Tensor, axes: tuple[int, ...], kept: Tensor, groups: int = 1) -> Tensor:
    """How many values each statistic is taken from where a mask `(N, 1, *)` keeps some of them.

    Returns:
        As many axes as `x`, those in `axes` of size 1, in the dtype of `x`.
    """
    channels = x.shape[1] // groups if 1 in axes else 1
    return kept.sum(axes, keepdim=True).to(x.dtype) * channels


def centred_moments(
    x: Tensor, axes: tuple[int, ...], groups: int = 1, kept: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """x − mean, −mean, and the biased variance over `axes`, which are kept with size 1.

    The variance is the mean square of the centred values, never E[x²] − E[x]², which cancels.
    With several groups `axes` must start with the channel axis, which is kept whole: each channel
    has the statistics of its group. With a mask `(N, 1, *)` the statistics are those of the values
    that it keeps.

    >>> centred, minus_mean, variance = centred_moments(torch.tensor([[1.0, 3.0]]), (1,))
    >>> centred, minus_mean.item(), variance.item()
    (tensor([[-1.,  1.]]), -2.0, 1.0)
    """
    share = _share(x, axes, groups, kept)
    return centred_by(lambda x: _total(x, axes, groups), share, x, kept)


def centred_by(
    total: Callable[[Tensor], Tensor], share: float | Tensor, x: Tensor, kept: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """`centred_moments`, for statistics that are not over whole axes.

    Args:
        total: sums the values that a statistic is taken from; the sums meet `x`.
        share: what each value weighs in a mean.
        x: what is centred.
        kept: the mask `(N, 1, *)`, or None.
    """
    # Written for the fewest passes over x on a CPU, forwards and backwards: over several axes
    # torch.var_mean takes twenty times as long as sum(); the backwards of mean(), of a difference,
    # of square() and of addcmul() each write one more tensor of the size of x than those of a
    # sum, of an addition and of a product.
    minus_mean = total(_only(kept, x)) * -share
    centred = x + minus_mean
    # Where the mean is large its own rounding remains. A second centring takes it out; in exact
    # arithmetic it is zero for every x, so its derivatives are zero too.
    rounding = total(_only(kept, centred.detach())) * -share
    centred.add_(rounding)
    minus_mean = minus_mean + rounding
    counted = _only(kept, centred)
    variance = total(counted * counted) * share
    return centred, minus_mean, variance


def mean_square(
    x: Tensor, axes: tuple[int, ...], groups: int = 1, kept: Tensor | None = None
) -> Tensor:
    """The mean of x² over `axes`, which are kept with size 1.

    Groups and a mask are as in `centred_moments`.

    >>> mean_square(torch.tensor([[1.0, 3.0]]), (1,)).item()
    5.0
    """
    counted = _only(kept, x)
    square = counted * counted
    # sum() over no axis would be over all.
    return _total(square, axes, groups) * _share(x, axes, groups, kept) if axes else square


def _share(x: Tensor, axes: tuple[int, ...], groups: int, kept: Tensor | None) -> float | Tensor:
    """What each value weighs in a mean over `axes`."""
    if kept is None:
        return 1 / max(value_count(x, axes) // groups, 1)
    return 1 / kept_count(x, axes, kept, groups).clamp(min=1)


def _only(kept: Tensor | None, x: Tensor) -> Tensor:
    # Not a product with the mask: what is left out may be infinite.
    return x if kept is None else torch.where(kept, x, 0.0)


def _total(x: Tensor, axes: tuple[int, ...], groups: int) -> Tensor:
    if groups == 1:
        return x.sum(axes, keepdim=True)
    # The positions first, then the few channels of a group. In one sum over (N, G, C / G, *)
    # PyTorch is up to thirty times slower where the memory is channels-last.
    total = x.sum(axes[1:], keepdim=True) if len(axes) > 1 else x
    samples, channels = x.shape[:2]
    in_groups = total.reshape(samples, groups, channels // groups).sum(2, keepdim=True)
    return in_groups.expand(-1, -1, channels // groups).reshape(total.shape)


def unbiased(variance: Tensor, count: int | Tensor) -> Tensor:
    """The unbiased variance, of a biased one over `count` values.

    Of a single value there is none; its variance, zero, is returned as it is.
    """
    if isinstance(count, Tensor):
        return variance * (count / (count - 1).clamp(min=1))
    return variance * (count / max(count - 1, 1))


def standardised(
    centred: Tensor, variance: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    """γ · centred / √(variance + ε) + β, with γ and β per channel.

    For a variance per channel or per sample and channel: γ is taken into the small tensor first.
    """
    scale = torch.rsqrt(variance + eps)
    gamma = per_channel(weight, centred)
    if gamma is not None:
        scale = scale * gamma
    return scale_and_shift(centred, scale, per_channel(bias, centred))


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
