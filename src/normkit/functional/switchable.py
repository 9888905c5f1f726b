"""Switchable normalization: a learned mixture of instance, layer and batch statistics."""

from __future__ import annotations

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
    standardised,
    unbiased,
    value_count,
)


def switchable_norm(
    input: Tensor,  # noqa: A002
    mean_weight: Tensor,
    var_weight: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    act: Activation = None,
    residual: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Standardises by a mixture of the statistics of three other methods.

    y = act(γ · (x − Σₖ wₖ μₖ) / √(Σₖ w'ₖ σ²ₖ + ε) + β + residual), for k instance, layer (over all
    channels and positions) and batch normalization, in this order, with w = softmax(mean_weight)
    and w' = softmax(var_weight). In evaluation the batch's are the running statistics.

    Args:
        input: `(N, C, *)`, with at least one axis of positions.
        mean_weight: `(3)`, of the means.
        var_weight: `(3)`, of the variances.
        running_mean: `(C)` or None; updated in place in training.
        running_var: `(C)` or None; updated in place in training, with the unbiased variance.
        weight: γ, `(C)` or None.
        bias: β, `(C)` or None.
        training: whether the batch's statistics are the batch's own.
        momentum: how far the running statistics move towards the batch's.
        eps: ε, added to the variance.
        act: the activation: None, a name, or a module or function.
        residual: added before the activation, of the shape of `input`.
        mask: True where a value counts; see `batch_norm`.

    Returns:
        `(N, C, *)`, in the dtype and memory format of `input`.

    Raises:
        ValueError: one value per channel and sample; no running statistics in evaluation; a vector
            that does not have C, or 3, values; a residual of another shape.

    >>> import torch
    >>> x = torch.randn(8, 4, 5, 5)
    >>> instance = torch.tensor([100.0, 0.0, 0.0])
    >>> y = switchable_norm(x, instance, instance, None, None, training=True)
    >>> torch.allclose(y.mean((2, 3)), torch.zeros(8, 4), atol=1e-5)
    True

    Paper: Luo, Ren, Peng, Zhang and Li, "Differentiable Learning-to-Normalize via Switchable
    Normalization", 2018, https://arxiv.org/abs/1806.10779
    """
    if training:
        y, moments = switchable_norm_of_batch(
            input,
            mean_weight,
            var_weight,
            weight,
            bias,
            eps,
            act=act,
            residual=residual,
            mask=mask,
        )
        check_per_channel(
            "switchable_norm", input.shape[1], running_mean=running_mean, running_var=running_var
        )
        update_running_(running_mean, running_var, moments, momentum)
        return y
    if running_mean is None or running_var is None:
        raise ValueError(
            "switchable_norm in evaluation mixes in running_mean and running_var; got None. Pass "
            "both, or training=True to use the statistics of the batch."
        )
    kept = check_mask("switchable_norm", mask, input)
    x, centred, mean, variance = _of_instances(input, mean_weight, var_weight, weight, bias, kept)
    check_per_channel(
        "switchable_norm", input.shape[1], running_mean=running_mean, running_var=running_var
    )
    batch = (per_channel(running_mean, x), per_channel(running_var, x))
    y = _mixed(centred, mean, variance, batch, (mean_weight, var_weight), weight, bias, eps)
    return finish(in_precision_of(input, y), act, residual)


def switchable_norm_of_batch(
    input: Tensor,  # noqa: A002
    mean_weight: Tensor,
    var_weight: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *,
    act: Activation = None,
    residual: Tensor | None = None,
    mask: Tensor | None = None,
) -> tuple[Tensor, Moments]:
    """`switchable_norm` in training, and the batch's statistics, for who keeps running ones.

    Returns:
        The output, and the moments of the batch, without a gradient.
    """
    kept = check_mask("switchable_norm", mask, input)
    x, centred, mean, variance = _of_instances(input, mean_weight, var_weight, weight, bias, kept)
    of_each = None if kept is None else kept_count(x, tuple(range(2, x.ndim)), kept)
    batch_mean, batch_variance = _joined(mean, variance, 0, of_each)
    batch = (batch_mean, batch_variance)
    y = _mixed(centred, mean, variance, batch, (mean_weight, var_weight), weight, bias, eps)
    size = value_count(x, (0, *range(2, x.ndim))) if of_each is None else of_each.sum()
    moments = Moments(
        batch_mean.detach().flatten(), unbiased(batch_variance.detach(), size).flatten(), size
    )
    return finish(in_precision_of(input, y), act, residual), moments


def _of_instances(
    input: Tensor,  # noqa: A002
    mean_weight: Tensor,
    var_weight: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    kept: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The input, and x − mean, the mean and the variance of each channel of each sample."""
    check_input("switchable_norm", input)
    check_per_channel("switchable_norm", input.shape[1], weight=weight, bias=bias)
    for name, vector in (("mean_weight", mean_weight), ("var_weight", var_weight)):
        if vector.shape != (3,):
            raise ValueError(
                f"switchable_norm: {name} must hold three values, for instance, layer and batch "
                f"statistics; got a tensor of shape {tuple(vector.shape)}."
            )
    x = at_least_float32(input, kept)
    axes = tuple(range(2, x.ndim))
    check_several(
        "switchable_norm",
        value_count(x, axes),
        x,
        per="channel and sample",
        fix="On a map of one position use batch, group or layer normalization.",
    )
    centred, minus_mean, variance = centred_moments(x, axes, kept=kept)
    return x, centred, -minus_mean, variance


def _joined(
    mean: Tensor, variance: Tensor, axis: int, sizes: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The mean and variance of several sets together, which lie along an axis.

    The sets are equally large unless their sizes are given.

    Their variance is the mean of the variances and the variance of the means: all are centred, and
    the values themselves are not read again.
    """
    share: float | Tensor = 1 / max(mean.shape[axis], 1)
    if sizes is not None:
        share = sizes / sizes.sum(axis, keepdim=True).clamp(min=1)
    total = (mean * share).sum(axis, keepdim=True)
    return total, ((variance + (mean - total).square()) * share).sum(axis, keepdim=True)


def _mixed(
    centred: Tensor,
    mean: Tensor,
    variance: Tensor,
    batch: tuple[Tensor, Tensor],
    weights: tuple[Tensor, Tensor],
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
) -> Tensor:
    sample = _joined(mean, variance, 1)
    of_means, of_variances = (in_precision_of(mean, w).softmax(0) for w in weights)
    mixed_mean = of_means[0] * mean + of_means[1] * sample[0] + of_means[2] * batch[0]
    mixed_variance = (
        of_variances[0] * variance + of_variances[1] * sample[1] + of_variances[2] * batch[1]
    )
    return standardised(centred + (mean - mixed_mean), mixed_variance, weight, bias, eps)
