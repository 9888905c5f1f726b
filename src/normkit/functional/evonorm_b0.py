"""EvoNorm-B0: a normalization over the batch and its activation, found by search as one."""

from __future__ import annotations

import torch
from torch import Tensor

from normkit.functional.activation import Activation, finish
from normkit.functional.checks import check_input, check_mask, check_per_channel, check_several
from normkit.functional.running import update_running_
from normkit.functional.statistics import (
    Moments,
    at_least_float32,
    centred_moments,
    in_precision_of,
    kept_count,
    per_channel,
    scale_and_shift,
    unbiased,
    value_count,
)


def evonorm_b0(
    input: Tensor,  # noqa: A002
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    v: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    act: Activation = None,
    residual: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Divides by the deviation over the batch, or where that is larger by one that grows with x.

    y = act(γ · x / max(√(σ²_batch + ε), v · x + √(σ²_instance + ε)) + β + residual), with σ²_batch
    per channel over `(N, *)`, in evaluation the running one, σ²_instance per sample and channel
    over `(*)`, and γ, β and v per channel.

    Args:
        input: `(N, C, *)`.
        running_var: `(C)` or None; updated in place in training, with the unbiased variance, as in
            batch normalization.
        weight: γ, `(C)` or None.
        bias: β, `(C)` or None.
        v: the slope, `(C)`; None takes zero.
        training: whether σ²_batch is the batch's.
        momentum: how far the running variance moves towards the batch's.
        eps: ε, added to both variances.
        act: a further activation: None, a name, or a module or function.
        residual: added before that, of the shape of `input`.
        mask: True where a value counts; see `batch_norm`.

    Returns:
        `(N, C, *)`, in the dtype and memory format of `input`.

    Raises:
        ValueError: one value per channel in training; no running variance in evaluation; a vector
            that does not have C values; a residual of another shape.

    >>> x = torch.randn(8, 6, 5, 5)
    >>> evonorm_b0(x, torch.ones(6), v=torch.ones(6), training=True).shape
    torch.Size([8, 6, 5, 5])

    Paper: Liu, Brock, Simonyan and Le, "Evolving Normalization-Activation Layers", 2020,
    https://arxiv.org/abs/2004.02967
    """
    check_input("evonorm_b0", input)
    check_per_channel("evonorm_b0", input.shape[1], running_var=running_var)
    if training:
        y, moments = evonorm_b0_of_batch(
            input, weight, bias, v, eps, act=act, residual=residual, mask=mask
        )
        update_running_(None, running_var, moments, momentum)
        return y
    if running_var is None:
        raise ValueError(
            "evonorm_b0 in evaluation divides by the root of running_var; got None. Pass it, or "
            "training=True to use the variance of the batch."
        )
    check_per_channel("evonorm_b0", input.shape[1], weight=weight, bias=bias, v=v)
    kept = check_mask("evonorm_b0", mask, input)
    x = at_least_float32(input, kept)
    y = _divided(x, per_channel(running_var, x), kept, weight, bias, v, eps)
    return finish(in_precision_of(input, y), act, residual)


def evonorm_b0_of_batch(
    input: Tensor,  # noqa: A002
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    v: Tensor | None = None,
    eps: float = 1e-5,
    *,
    act: Activation = None,
    residual: Tensor | None = None,
    mask: Tensor | None = None,
) -> tuple[Tensor, Moments]:
    """`evonorm_b0` in training, and the statistics, for who keeps running ones.

    Returns:
        The output, and the moments of the batch, without a gradient.
    """
    check_input("evonorm_b0", input)
    check_per_channel("evonorm_b0", input.shape[1], weight=weight, bias=bias, v=v)
    kept = check_mask("evonorm_b0", mask, input)
    x = at_least_float32(input, kept)
    axes = (0, *range(2, x.ndim))
    count = value_count(x, axes)
    check_several(
        "evonorm_b0 with the statistics of the batch",
        count,
        x,
        per="channel",
        fix="Use a larger batch (drop_last=True for the last one), evaluation mode, "
        "or evonorm_s0, which does not look over the batch.",
    )
    _, minus_mean, variance = centred_moments(x, axes, kept=kept)
    y = _divided(x, variance, kept, weight, bias, v, eps)
    size = count if kept is None else kept_count(x, axes, kept)
    moments = Moments(
        -minus_mean.detach().flatten(), unbiased(variance.detach(), size).flatten(), size
    )
    return finish(in_precision_of(input, y), act, residual), moments


def _divided(
    x: Tensor,
    batch_variance: Tensor,
    kept: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    v: Tensor | None,
    eps: float,
) -> Tensor:
    axes = tuple(range(2, x.ndim))
    own = centred_moments(x, axes, kept=kept)[2] if axes else torch.zeros_like(x)
    rising = (own + eps).sqrt()
    slope = per_channel(v, x)
    if slope is not None:
        rising = rising + slope * x
    y = x / torch.maximum((batch_variance + eps).sqrt(), rising)
    return scale_and_shift(y, per_channel(weight, x), per_channel(bias, x))
