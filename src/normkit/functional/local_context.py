"""Local context normalization."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from normkit.functional.activation import Activation, finish
from normkit.functional.checks import check_input, check_per_channel, check_several
from normkit.functional.statistics import (
    at_least_float32,
    in_precision_of,
    per_channel,
    scale_and_shift,
)
from normkit.functional.windows import window_moments


def local_context_norm(
    input: Tensor,  # noqa: A002
    channels_per_group: int = 2,
    window_size: int | Sequence[int] = 227,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *,
    act: Activation = None,
    residual: Tensor | None = None,
) -> Tensor:
    """Standardises each value by the channels of its group in a window of positions around it.

    y = act(γ · (x − μ) / √(σ² + ε) + β + residual), with μ and σ² per sample, group and position,
    over the channels of the group and the window, and γ and β per channel.

    The window around position i goes from i − size // 2 to i + (size − 1) // 2 along each axis. At
    the borders it is cut to the map. Along an axis that is not longer than the window it is the
    whole axis, at every position; where that holds for all axes this is group normalization. The
    authors' code differs at the borders, where it takes the statistics of the nearest window that
    is not cut, and in taking the whole map unless the map is longer than the window along both
    axes; in its backward μ and σ² are constants, where here they are differentiated.

    The cost grows with the logarithm of the window's size.

    Args:
        input: `(N, C, *)`.
        channels_per_group: how many channels a group has, a divisor of C.
        window_size: of each axis of positions, or of all.
        weight: γ, `(C)` or None.
        bias: β, `(C)` or None.
        eps: ε, added to the variance.
        act: the activation: None, a name, or a module or function.
        residual: added before the activation, of the shape of `input`.

    Returns:
        `(N, C, *)`, in the dtype and memory format of `input`.

    Raises:
        ValueError: groups that do not divide C; sizes below 1, or not one per axis; a window that
            has a single value; a vector that does not have C values; a residual of another shape.

    >>> x = torch.randn(8, 6, 9, 9) * 3 + 1
    >>> y = local_context_norm(x, channels_per_group=2, window_size=5)
    >>> window = x[:, :2, 2:7, 2:7].flatten(1)
    >>> centre = (x[:, 0, 4, 4] - window.mean(1)) / (window.var(1, correction=0) + 1e-5).sqrt()
    >>> torch.allclose(y[:, 0, 4, 4], centre, atol=1e-5)
    True

    Paper: Ortiz et al., "Local Context Normalization: Revisiting Local Normalization", 2020,
    https://arxiv.org/abs/1912.05845
    """
    check_input("local_context_norm", input)
    samples, channels, *positions = input.shape
    check_channels_per_group(channels_per_group, channels, "local_context_norm")
    check_per_channel("local_context_norm", channels, weight=weight, bias=bias)
    sizes = window_sizes(window_size, len(positions), "local_context_norm")
    check_several(
        "local_context_norm",
        channels_per_group * math.prod(_smallest(positions, sizes)),
        input,
        per="window",
        fix="Use larger groups or a larger window.",
    )
    x = at_least_float32(input)
    grouped = x.reshape(samples, channels // channels_per_group, channels_per_group, *positions)
    # Near zero the means are rounded less. What is taken off is a constant to the derivatives: of
    # an output that no shift changes they are the same.
    grouped = grouped - grouped.detach().mean(tuple(range(2, grouped.ndim)), keepdim=True)
    mean = grouped.mean(2)
    spread = grouped - mean.unsqueeze(2)
    variance = (spread * spread).mean(2)
    for axis, size in enumerate(sizes, 2):
        mean, variance = _moments_along(mean, variance, axis, size)
    y = (grouped - mean.unsqueeze(2)) * torch.rsqrt(variance + eps).unsqueeze(2)
    y = scale_and_shift(y.reshape(x.shape), per_channel(weight, x), per_channel(bias, x))
    return finish(in_precision_of(input, y), act, residual)


def _moments_along(mean: Tensor, variance: Tensor, axis: int, size: int) -> tuple[Tensor, Tensor]:
    if size < mean.shape[axis]:
        return window_moments(mean, variance, axis, size)
    whole = mean.mean(axis, keepdim=True)
    step = mean - whole
    return whole, (variance + step * step).mean(axis, keepdim=True)


def _smallest(positions: Sequence[int], sizes: Sequence[int]) -> list[int]:
    """How many positions the window has along each axis at the border that leaves it fewest."""
    return [
        length if size >= length else (size + 1) // 2
        for length, size in zip(positions, sizes, strict=True)
    ]


def window_sizes(window_size: int | Sequence[int], axes: int, function: str) -> tuple[int, ...]:
    """The size of the window along each of some number of axes.

    Raises:
        ValueError: a size below 1, or another number of sizes.

    >>> window_sizes(9, 2, "mine")
    (9, 9)
    """
    sizes = (window_size,) * axes if isinstance(window_size, int) else tuple(window_size)
    least = window_size if isinstance(window_size, int) else min(sizes, default=1)
    if len(sizes) != axes or least < 1:
        raise ValueError(
            f"{function}: window_size must be a number of at least 1, or one for each of the "
            f"{axes} axes of positions; got {window_size}. For a window as large as the map give "
            "any larger number."
        )
    return sizes


def check_channels_per_group(channels_per_group: int, channels: int, function: str) -> None:
    """Raises unless the channels divide into groups of that many."""
    if channels_per_group < 1 or channels % channels_per_group != 0:
        divisors = [g for g in range(1, channels + 1) if channels % g == 0]
        raise ValueError(
            f"{function}: the number of channels must be divisible by channels_per_group; got "
            f"{channels} channels and channels_per_group={channels_per_group}. The divisors of "
            f"{channels} are {', '.join(map(str, divisors))}."
        )
