"""Dynamic tanh: what may stand where a norm stands, without a statistic."""

from __future__ import annotations

import torch
from torch import Tensor

from normkit.functional.activation import Activation, finish
from normkit.functional.checks import check_input, check_per_channel
from normkit.functional.statistics import (
    at_least_float32,
    in_precision_of,
    per_channel,
    scale_and_shift,
)


def dynamic_tanh(
    input: Tensor,  # noqa: A002
    alpha: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    act: Activation = None,
    residual: Tensor | None = None,
) -> Tensor:
    """Squashes each value by itself.

    y = act(γ · tanh(α · x) + β + residual), with one α for all values, and γ and β per channel.

    Args:
        input: `(N, C, *)`.
        alpha: α, a tensor with one value.
        weight: γ, `(C)` or None.
        bias: β, `(C)` or None.
        act: the activation: None, a name, or a module or function.
        residual: added before the activation, of the shape of `input`.

    Returns:
        `(N, C, *)`, in the dtype and memory format of `input`.

    Raises:
        ValueError: an α of several values; a vector that does not have C values; a residual of
            another shape.

    >>> dynamic_tanh(torch.tensor([[-100.0, 1.0]]), torch.tensor(0.5))
    tensor([[-1.0000,  0.4621]])

    Paper: Zhu, Chen, He, LeCun and Liu, "Transformers without Normalization", 2025,
    https://arxiv.org/abs/2503.10622
    """
    check_input("dynamic_tanh", input)
    check_per_channel("dynamic_tanh", input.shape[1], weight=weight, bias=bias)
    if alpha.numel() != 1:
        raise ValueError(
            "dynamic_tanh: alpha must hold one value, which all channels share; got the shape "
            f"{tuple(alpha.shape)}. A factor per channel is taken as weight."
        )
    x = at_least_float32(input)
    y = torch.tanh(x * in_precision_of(x, alpha).reshape(()))
    y = scale_and_shift(y, per_channel(weight, x), per_channel(bias, x))
    return finish(in_precision_of(input, y), act, residual)
