"""Instance normalization."""

from __future__ import annotations

import torch
from torch import Tensor

from normkit.functional.activation import Activation, finish
from normkit.functional.checks import check_input, check_per_channel, check_several
from normkit.functional.statistics import (
    at_least_float32,
    centred_moments,
    in_precision_of,
    per_channel,
    scale_and_shift,
    update_running_,
    value_count,
)


def instance_norm(
    input: Tensor,  # noqa: A002
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    act: Activation = None,
    residual: Tensor | None = None,
) -> Tensor:
    """Standardises each channel of each sample over all positions.

    y = act(γ · (x − μ) / √(σ² + ε) + β + residual), with μ and σ² per sample and channel over
    `(*)`; with `use_input_stats=False` they are the running statistics.

    Args:
        input: `(N, C, *)`, with at least one axis of positions.
        running_mean: `(C)` or None; updated in place, with the mean over the samples.
        running_var: `(C)` or None; updated in place, with the mean unbiased variance.
        weight: γ, `(C)` or None.
        bias: β, `(C)` or None.
        use_input_stats: whether the statistics are the input's.
        momentum: how far the running statistics move towards the input's.
        eps: ε, added to the variance.
        act: the activation: None, a name, or a module or function.
        residual: added before the activation, of the shape of `input`.

    Returns:
        `(N, C, *)`, in the dtype and memory format of `input`.

    Raises:
        ValueError: one value per channel and sample; no running statistics although
            `use_input_stats=False`; a vector that does not have C values; a residual of
            another shape.

    >>> x = torch.randn(8, 4, 5, 5) * 3 + 1
    >>> y = instance_norm(x)
    >>> torch.allclose(y.mean((2, 3)), torch.zeros(8, 4), atol=1e-5)
    True

    Paper: Ulyanov, Vedaldi and Lempitsky, "Instance Normalization", 2016,
    https://arxiv.org/abs/1607.08022
    """
    check_input("instance_norm", input)
    check_per_channel(
        "instance_norm",
        input.shape[1],
        weight=weight,
        bias=bias,
        running_mean=running_mean,
        running_var=running_var,
    )
    x = at_least_float32(input)
    if use_input_stats:
        axes = tuple(range(2, x.ndim))
        count = value_count(x, axes)
        check_several(
            "instance_norm",
            count,
            x,
            per="channel and sample",
            fix="On a map of one position use group or layer normalization, or no norm.",
        )
        centred, minus_mean, variance = centred_moments(x, axes)
    elif running_mean is None or running_var is None:
        raise ValueError(
            "instance_norm with use_input_stats=False normalises with running_mean and "
            "running_var; got None. Pass both, or use_input_stats=True."
        )
    else:
        centred = x - per_channel(running_mean, x)
        variance = per_channel(running_var, x)

    scale = torch.rsqrt(variance + eps)
    gamma = per_channel(weight, x)
    if gamma is not None:
        scale = scale * gamma
    y = scale_and_shift(centred, scale, per_channel(bias, x))
    y = finish(in_precision_of(input, y), act, residual)

    if use_input_stats and input.numel() > 0:
        if running_mean is not None:
            update_running_(running_mean, -minus_mean.mean(0), momentum)
        if running_var is not None:
            update_running_(running_var, variance.mean(0) * (count / (count - 1)), momentum)
    return y
