"""Layer normalization over the trailing dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from normkit import kernels
from normkit.functional.activation import Activation, finish
from normkit.functional.checks import check_trailing
from normkit.functional.statistics import (
    at_least_float32,
    centred_moments,
    in_precision_of,
    scale_and_shift,
)


def layer_norm(
    input: Tensor,  # noqa: A002
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *,
    act: Activation = None,
    residual: Tensor | None = None,
) -> Tensor:
    """Standardises over the trailing dimensions, as `torch.nn.functional.layer_norm` does.

    y = act(γ · (x − μ) / √(σ² + ε) + β + residual), with μ and σ² over the trailing dimensions.
    For images `(N, C, H, W)` this is rarely what is meant: over `(C, H, W)` with γ and β per
    channel it is `group_norm` with one group, over C at each position `channel_layer_norm`.

    Args:
        input: `(*, *normalized_shape)`.
        normalized_shape: the trailing dimensions.
        weight: γ, of shape `normalized_shape`, or None.
        bias: β, of shape `normalized_shape`, or None.
        eps: ε, added to the variance.
        act: the activation: None, a name, or a module or function.
        residual: added before the activation, of the shape of `input`.

    Returns:
        The shape, dtype and memory format of `input`.

    Raises:
        ValueError: the input, weight or bias does not end in `normalized_shape`; a residual of
            another shape.

    >>> x = torch.randn(8, 10, 16) * 3 + 1
    >>> y = layer_norm(x, (16,))
    >>> torch.allclose(y.mean(-1), torch.zeros(8, 10), atol=1e-5)
    True

    Paper: Ba, Kiros and Hinton, "Layer Normalization", 2016, https://arxiv.org/abs/1607.06450
    """
    check_trailing("layer_norm", input, normalized_shape, weight=weight, bias=bias)
    ending = kernels.choose("layer_norm", input, act, residual, weight, bias, trailing=True)
    if ending is not None:
        size = math.prod(normalized_shape)
        y = kernels.channel_norm(
            input, weight, bias, size, eps, ending, centred=True, trailing=True
        )
        return finish(y, ending.act)
    y = _plain(input, weight, bias, len(normalized_shape), eps)
    return finish(y, act, residual)


def _plain(
    input: Tensor,  # noqa: A002
    weight: Tensor | None,
    bias: Tensor | None,
    axes: int,
    eps: float,
) -> Tensor:
    """Over the last `axes` axes."""
    x = at_least_float32(input)
    centred, _, variance = centred_moments(x, tuple(range(-axes, 0)))
    y = scale_and_shift(
        centred * torch.rsqrt(variance + eps),
        None if weight is None else in_precision_of(x, weight),
        None if bias is None else in_precision_of(x, bias),
    )
    return in_precision_of(input, y)


def _of_rows(
    input: Tensor,  # noqa: A002
    weight: Tensor | None,
    bias: Tensor | None,
    size: int,
    eps: float,
) -> Tensor:
    """Over the last `size` values together, whatever axes these are."""
    gamma = None if weight is None else weight.reshape(size)
    beta = None if bias is None else bias.reshape(size)
    return _plain(input.reshape(-1, size), gamma, beta, 1, eps).reshape(input.shape)


kernels.register_channel(_of_rows, centred=True, trailing=True)
