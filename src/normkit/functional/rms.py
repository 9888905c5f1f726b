"""Root mean square normalization: divides, and does not subtract the mean."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from normkit import kernels
from normkit.functional.activation import Activation, ended, finish
from normkit.functional.checks import check_input, check_per_channel, check_trailing
from normkit.functional.statistics import (
    at_least_float32,
    in_precision_of,
    mean_square,
    per_channel,
    scale_and_shift,
)


def rms_norm(
    input: Tensor,  # noqa: A002
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
    *,
    act: Activation = None,
    residual: Tensor | None = None,
) -> Tensor:
    """Divides by the root mean square over the trailing dimensions.

    y = act(γ · x / √(mean(x²) + ε) + residual), with the mean over the trailing dimensions, as
    `torch.nn.functional.rms_norm` has it.

    Args:
        input: `(*, *normalized_shape)`.
        normalized_shape: the trailing dimensions.
        weight: γ, of shape `normalized_shape`, or None.
        eps: ε, added to the mean square; None means the machine epsilon of the precision the
            formula is computed in, as in PyTorch.
        act: the activation: None, a name, or a module or function.
        residual: added before the activation, of the shape of `input`.

    Returns:
        The shape, dtype and memory format of `input`.

    Raises:
        ValueError: the input or weight does not end in `normalized_shape`; a residual of another
            shape.

    >>> y = rms_norm(torch.randn(8, 10, 16) * 3 + 1, (16,))
    >>> torch.allclose(y.square().mean(-1), torch.ones(8, 10))
    True

    Paper: Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019,
    https://arxiv.org/abs/1910.07467
    """
    check_trailing("rms_norm", input, normalized_shape, weight=weight)
    ending = kernels.choose("rms_norm", input, act, residual, weight, trailing=True)
    if ending is not None:
        size = math.prod(normalized_shape)
        added = _eps(input, eps)
        y = kernels.channel_norm(
            input, weight, None, size, added, ending, centred=False, trailing=True
        )
        return finish(y, ending.act)
    return finish(_trailing(input, weight, len(normalized_shape), eps), act, residual)


def _trailing(
    input: Tensor,  # noqa: A002
    weight: Tensor | None,
    axes: int,
    eps: float | None,
) -> Tensor:
    """Over the last `axes` axes."""
    x = at_least_float32(input)
    y = scale_and_shift(
        _divide_by_root_mean_square(x, tuple(range(-axes, 0)), eps),
        None if weight is None else in_precision_of(x, weight),
        None,
    )
    return in_precision_of(input, y)


def _of_rows(
    input: Tensor,  # noqa: A002
    weight: Tensor | None,
    bias: None,
    size: int,
    eps: float,
) -> Tensor:
    """Over the last `size` values together, whatever axes these are."""
    gamma = None if weight is None else weight.reshape(size)
    return _trailing(input.reshape(-1, size), gamma, 1, eps).reshape(input.shape)


kernels.register_channel(_of_rows, centred=False, trailing=True)


def channel_rms_norm(
    input: Tensor,  # noqa: A002
    weight: Tensor | None = None,
    eps: float | None = 1e-5,
    *,
    act: Activation = None,
    residual: Tensor | None = None,
) -> Tensor:
    """Divides the channels of each sample at each position by their root mean square.

    y = act(γ · x / √(mean(x²) + ε) + residual), with the mean per sample and position over `(C)`.

    Args:
        input: `(N, C, *)`.
        weight: γ, `(C)` or None.
        eps: ε, added to the mean square; None means the machine epsilon. The default is the one
            of the other norms: behind a ReLU a position can be zero in every channel, and there
            the gradient grows by 1 / √ε.
        act: the activation: None, a name, or a module or function.
        residual: added before the activation, of the shape of `input`.

    Returns:
        `(N, C, *)`, in the dtype and memory format of `input`.

    Raises:
        ValueError: a weight that does not have C values; a residual of another shape.

    >>> y = channel_rms_norm(torch.randn(8, 16, 5, 5) * 3 + 1)
    >>> torch.allclose(y.square().mean(1), torch.ones(8, 5, 5), atol=1e-3)
    True

    Paper: Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019,
    https://arxiv.org/abs/1910.07467
    """
    check_input("channel_rms_norm", input)
    check_per_channel("channel_rms_norm", input.shape[1], weight=weight)
    ending = kernels.choose("channel_rms_norm", input, act, residual, weight)
    if ending is not None:
        size, added = input.shape[1], _eps(input, eps)
        y = kernels.channel_norm(input, weight, None, size, added, ending, centred=False)
        return finish(y, ending.act)
    return ended(
        lambda **sources: (_plain(**sources, bias=None, channels=input.shape[1], eps=eps), None),
        act,
        residual,
        input=input,
        weight=weight,
    )[0]


def _plain(
    input: Tensor,  # noqa: A002
    weight: Tensor | None,
    bias: None,
    channels: int,
    eps: float | None,
) -> Tensor:
    x = at_least_float32(input)
    y = scale_and_shift(
        _divide_by_root_mean_square(x, (1,), eps),
        per_channel(weight, x),
        None,
    )
    return in_precision_of(input, y)


kernels.register_channel(_plain, centred=False, trailing=False)


def _eps(input: Tensor, eps: float | None) -> float:  # noqa: A002
    """ε, or the machine epsilon of the precision that is computed in."""
    in_double = input.dtype == torch.float64
    return torch.finfo(torch.float64 if in_double else torch.float32).eps if eps is None else eps


def _divide_by_root_mean_square(x: Tensor, axes: tuple[int, ...], eps: float | None) -> Tensor:
    return x * torch.rsqrt(mean_square(x, axes) + _eps(x, eps))
