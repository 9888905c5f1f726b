"""Instance normalization."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from normkit import kernels
from normkit.functional.activation import Activation, ended, finish
from normkit.functional.batch import batch_norm
from normkit.functional.checks import check_input, check_mask, check_per_channel, check_several
from normkit.functional.running import update_running_
from normkit.functional.statistics import (
    Moments,
    at_least_float32,
    centred_moments,
    in_precision_of,
    kept_count,
    standardised,
    unbiased,
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
    mask: Tensor | None = None,
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
        mask: True where a value counts, `(N)`, `(N, *)` or `(N, 1, *)`; the others are normalised
            too, as 0 where they are not finite, but left out of the statistics. None counts all.

    Returns:
        `(N, C, *)`, in the dtype and memory format of `input`.

    Raises:
        ValueError: one value per channel and sample; no running statistics although
            `use_input_stats=False`; a vector that does not have C values; a residual of
            another shape.

    >>> import torch
    >>> x = torch.randn(8, 4, 5, 5) * 3 + 1
    >>> y = instance_norm(x)
    >>> torch.allclose(y.mean((2, 3)), torch.zeros(8, 4), atol=1e-5)
    True

    Paper: Ulyanov, Vedaldi and Lempitsky, "Instance Normalization", 2016,
    https://arxiv.org/abs/1607.08022
    """
    if use_input_stats:
        check_input("instance_norm", input)
        check_per_channel(
            "instance_norm", input.shape[1], running_mean=running_mean, running_var=running_var
        )
        y, moments = _of_input(input, weight, bias, eps, act, residual, mask)
        if running_mean is not None or running_var is not None:
            update_running_(running_mean, running_var, moments(), momentum)
        return y
    if running_mean is None or running_var is None:
        raise ValueError(
            "instance_norm with use_input_stats=False normalises with running_mean and "
            "running_var; got None. Pass both, or use_input_stats=True."
        )
    # With statistics of one value per channel it is what batch normalization is in evaluation.
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


def instance_norm_of_input(
    input: Tensor,  # noqa: A002
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *,
    act: Activation = None,
    residual: Tensor | None = None,
    mask: Tensor | None = None,
) -> tuple[Tensor, Moments]:
    """Instance normalization with the statistics of the input, and their mean over the samples.

    `instance_norm` with `use_input_stats=True`, for who keeps running statistics; the arguments
    are the same.

    Returns:
        The output, and the moments that running statistics are moved by, without a gradient.
    """
    y, moments = _of_input(input, weight, bias, eps, act, residual, mask)
    return y, moments()


def _of_input(
    input: Tensor,  # noqa: A002
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    act: Activation,
    residual: Tensor | None,
    mask: Tensor | None,
) -> tuple[Tensor, Callable[[], Moments]]:
    """The output, and how the moments are put together, for who wants them."""
    check_input("instance_norm", input)
    samples, channels = input.shape[:2]
    check_per_channel("instance_norm", channels, weight=weight, bias=bias)
    axes = tuple(range(2, input.ndim))
    check_several(
        "instance_norm",
        value_count(input, axes),
        input,
        per="channel and sample",
        fix="On a map of one position use group or layer normalization, or no norm.",
    )
    ending = kernels.choose("instance_norm", input, act, residual, weight, bias, mask=mask)
    if ending is not None:
        # Each channel is a group of its own.
        y, mean, variance = kernels.group_norm_with_statistics(
            input, channels, weight, bias, eps, ending
        )
        each = (samples, channels)
        return finish(y, ending.act), lambda: _mean_moments(
            input, axes, mean.reshape(each), variance.reshape(each), None
        )
    y, moments = ended(
        lambda **sources: _plain(**sources, eps=eps),
        act,
        residual,
        input=input,
        weight=weight,
        bias=bias,
        kept=check_mask("instance_norm", mask, input),
    )
    return y, lambda: moments


def _plain(
    input: Tensor,  # noqa: A002
    weight: Tensor | None,
    bias: Tensor | None,
    kept: Tensor | None,
    eps: float,
) -> tuple[Tensor, Moments]:
    x = at_least_float32(input, kept)
    axes = tuple(range(2, x.ndim))
    centred, minus_mean, variance = centred_moments(x, axes, kept=kept)
    y = standardised(centred, variance, weight, bias, eps)
    moments = _mean_moments(x, axes, -minus_mean.detach(), variance.detach(), kept)
    return in_precision_of(input, y), moments


def _mean_moments(
    x: Tensor, axes: tuple[int, ...], mean: Tensor, variance: Tensor, kept: Tensor | None
) -> Moments:
    """The mean over the samples, those left out whole or but for one value not among them."""
    samples, count = x.shape[0], value_count(x, axes)
    if kept is None:
        each: Tensor | float = 1 / max(samples, 1)
        found: Tensor | int = count
        total: Tensor | int = samples * count
    else:
        found = kept_count(x, axes, kept)
        several = found > 1
        each = several / several.sum().clamp(min=1)
        total = (found * several).sum()
    return Moments(
        mean=(mean * each).sum(0).flatten(),
        variance=(unbiased(variance, found) * each).sum(0).flatten(),
        size=total,
    )
