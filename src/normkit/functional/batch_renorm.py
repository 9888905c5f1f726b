"""Batch renormalization."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from normkit.functional.activation import Activation, finish
from normkit.functional.batch import batch_norm, centred_batch
from normkit.functional.checks import check_per_channel
from normkit.functional.running import as_met, is_sound, kept_for_backward, update_running_
from normkit.functional.statistics import (
    Moments,
    at_least_float32,
    in_precision_of,
    per_channel,
    scale_and_shift,
)


def batch_renorm(
    input: Tensor,  # noqa: A002
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    r_max: float | Tensor = 3.0,
    d_max: float | Tensor = 5.0,
    act: Activation = None,
    residual: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Standardises each channel over the batch, corrected towards the running statistics.

    y = act(γ · ((x − μ) / √(σ² + ε) · r + d) + β + residual), with μ and σ² per channel over
    `(N, *)`, and with m and v, the running statistics before this batch, in

        r = √(σ² + ε) / √(v + ε), brought between 1 / r_max and r_max,
        d = (μ − m) / √(v + ε), brought between −d_max and d_max,

    which carry no gradient. In evaluation it is `batch_norm`; where r and d are within their
    limits, the output is the same in training. With `r_max=1` and `d_max=0` it is `batch_norm`.

    The paper averages √(σ² + ε) where this averages the unbiased σ², so that the running
    statistics are those of batch normalization.

    Args:
        input: `(N, C, *)`.
        running_mean: m, `(C)`; updated in place in training.
        running_var: v, `(C)`; updated in place in training, with the unbiased variance.
        weight: γ, `(C)` or None.
        bias: β, `(C)` or None.
        training: whether the statistics are the batch's.
        momentum: how far the running statistics move towards the batch's.
        eps: ε, added to the variances.
        r_max: the limit of r, at least 1; a number, or a tensor of one.
        d_max: the limit of d, at least 0; a number, or a tensor of one.
        act: the activation: None, a name, or a module or function.
        residual: added before the activation, of the shape of `input`.
        mask: True where a value counts; see `batch_norm`.

    Returns:
        `(N, C, *)`, in the dtype and memory format of `input`.

    Raises:
        ValueError: no running statistics; what `batch_norm` refuses.

    >>> x = torch.randn(8, 4, 5, 5) * 3 + 1
    >>> mean, variance = torch.ones(4), torch.full((4,), 9.0)
    >>> evaluated = batch_renorm(x, mean, variance)
    >>> torch.allclose(batch_renorm(x, mean, variance, training=True), evaluated, atol=1e-5)
    True

    Paper: Ioffe, "Batch Renormalization", 2017, https://arxiv.org/abs/1702.03275
    """
    if running_mean is None or running_var is None:
        raise ValueError(
            "batch_renorm corrects the statistics of the batch towards running_mean and "
            "running_var; got None. Pass both, or use batch_norm in training."
        )
    if not training:
        return batch_norm(
            input,
            running_mean,
            running_var,
            weight,
            bias,
            eps=eps,
            act=act,
            residual=residual,
            mask=mask,
        )
    y, moments = batch_renorm_of_batch(
        input,
        running_mean,
        running_var,
        weight,
        bias,
        momentum,
        eps,
        r_max=r_max,
        d_max=d_max,
        act=act,
        residual=residual,
        mask=mask,
    )
    update_running_(running_mean, running_var, moments, momentum)
    return y


def batch_renorm_of_batch(
    input: Tensor,  # noqa: A002
    running_mean: Tensor,
    running_var: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    momentum: float | Tensor = 0.1,
    eps: float = 1e-5,
    *,
    r_max: float | Tensor = 3.0,
    d_max: float | Tensor = 5.0,
    act: Activation = None,
    residual: Tensor | None = None,
    mask: Tensor | None = None,
) -> tuple[Tensor, Moments]:
    """`batch_renorm` in training, for who keeps running statistics: it leaves those it is given.

    The arguments are the same; `momentum` is 0 where the batch moves nothing.

    Returns:
        The output, and the moments that running statistics are moved by, without a gradient.
    """
    centred, variance, moments = centred_batch("batch_renorm", input, weight, bias, mask)
    check_per_channel(
        "batch_renorm", input.shape[1], running_mean=running_mean, running_var=running_var
    )
    std = (variance + eps).sqrt()
    with torch.no_grad():
        # A batch that is not counted has moved nothing.
        moved = is_sound(moments)
        mean, met = (
            torch.where(moved, as_met(running, batch, momentum), running)
            for running, batch in (
                (at_least_float32(running_mean), moments.mean),
                (at_least_float32(running_var), moments.variance),
            )
        )
        met = met.clamp(min=0)
        running_std = (met + eps).sqrt()
        r = _within(std.flatten() / running_std, 1 / r_max, r_max)
        d = _within((moments.mean - mean) / running_std, -d_max, d_max)
        r, d = kept_for_backward(r), kept_for_backward(d)
    gamma = per_channel(weight, centred)
    scale = per_channel(r, centred) / std
    shift = per_channel(d, centred)
    if gamma is not None:
        scale, shift = scale * gamma, shift * gamma
    if bias is not None:
        shift = shift + per_channel(bias, centred)
    y = scale_and_shift(centred, scale, shift)
    return finish(in_precision_of(input, y), act, residual), moments


def correction_limits(
    seen: Tensor, warmup: int, r_max: float, d_max: float
) -> tuple[float | Tensor, float | Tensor]:
    """The limits of r and d after as many batches as `seen`, on its device and in its precision.

    For the first `warmup` batches they are 1 and 0, which is batch normalization; then they rise
    linearly, the one of d until 5 and the one of r until 8 times as many batches.

    >>> r_limit, d_limit = correction_limits(torch.tensor(450.0), 100, r_max=3.0, d_max=5.0)
    >>> r_limit.item(), d_limit.item()
    (2.0, 4.375)
    """
    if warmup == 0:
        return r_max, d_max
    risen = (seen - warmup).clamp(min=0) / warmup
    return 1 + (r_max - 1) * (risen / 7).clamp(max=1), d_max * (risen / 4).clamp(max=1)


def _within(x: Tensor, low: Any, high: Any) -> Tensor:
    """`x` clipped; the limits are both numbers or both tensors."""
    return torch.clamp(x, low, high)
