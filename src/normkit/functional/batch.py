"""Batch normalization."""

from __future__ import annotations

from torch import Tensor

from normkit import kernels
from normkit.functional.activation import Activation, ended, finish
from normkit.functional.checks import (
    check_input,
    check_mask,
    check_per_channel,
    check_several,
)
from normkit.functional.running import is_recomputation, update_running_
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
from normkit.kernels.running import Running, moves_beside_kernel


def batch_norm(
    input: Tensor,  # noqa: A002
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
    """Standardises each channel over the batch and all positions.

    y = act(γ · (x − μ) / √(σ² + ε) + β + residual), with μ and σ² per channel over `(N, *)`;
    in evaluation μ and σ² are the running statistics. What moves these and what does not, such as
    a batch with a NaN in it, is told in `normkit.functional.running`.

    Args:
        input: `(N, C, *)`.
        running_mean: `(C)` or None; updated in place in training.
        running_var: `(C)` or None; updated in place in training, with the unbiased variance.
        weight: γ, `(C)` or None.
        bias: β, `(C)` or None.
        training: whether the statistics are the batch's.
        momentum: how far the running statistics move towards the batch's.
        eps: ε, added to the variance.
        act: the activation: None, a name, or a module or function.
        residual: added before the activation, of the shape of `input`.
        mask: True where a value counts, `(N)`, `(N, *)` or `(N, 1, *)`; the others are normalised
            too, as 0 where they are not finite, but left out of the statistics. None counts all.

    Returns:
        `(N, C, *)`, in the dtype and memory format of `input`.

    Raises:
        ValueError: one value per channel in training; no running statistics in evaluation;
            a vector that does not have C values; a residual of another shape.

    >>> import torch
    >>> x = torch.randn(8, 4, 5, 5) * 3 + 1
    >>> y = batch_norm(x, None, None, training=True)
    >>> torch.allclose(y.mean((0, 2, 3)), torch.zeros(4), atol=1e-5)
    True
    >>> torch.allclose(y.var((0, 2, 3), correction=0), torch.ones(4), atol=1e-4)
    True

    Paper: Ioffe and Szegedy, "Batch Normalization", 2015, https://arxiv.org/abs/1502.03167
    """
    if training:
        check_input("batch_norm", input)
        check_per_channel(
            "batch_norm", input.shape[1], running_mean=running_mean, running_var=running_var
        )
        running = Running(running_mean, running_var, None, momentum)
        return batch_norm_moving(
            input, running, weight, bias, eps, act=act, residual=residual, mask=mask
        )
    if running_mean is None or running_var is None:
        raise ValueError(
            "batch_norm in evaluation normalises with running_mean and running_var; got None. "
            "Pass both, or training=True to use the statistics of the batch."
        )
    check_input("batch_norm", input)
    check_per_channel(
        "batch_norm",
        input.shape[1],
        weight=weight,
        bias=bias,
        running_mean=running_mean,
        running_var=running_var,
    )
    ending = kernels.choose(
        "batch_norm",
        input,
        act,
        residual,
        weight,
        bias,
        given=(running_mean, running_var),
        mask=mask,
    )
    if ending is not None:
        y = kernels.apply_statistics(input, running_mean, running_var, weight, bias, eps, ending)
        return finish(y, ending.act)
    kept = check_mask("batch_norm", mask, input)
    return ended(
        lambda **sources: (_applied(**sources, eps=eps), None),
        act,
        residual,
        input=input,
        weight=weight,
        bias=bias,
        mean=running_mean,
        variance=running_var,
        kept=kept,
    )[0]


def _applied(
    input: Tensor,  # noqa: A002
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    eps: float,
    kept: Tensor | None = None,
) -> Tensor:
    """With statistics that are given."""
    x = at_least_float32(input, kept)
    centred = x - per_channel(mean, x)
    y = standardised(centred, per_channel(variance, x), weight, bias, eps)
    return in_precision_of(input, y)


def batch_norm_of_batch(
    input: Tensor,  # noqa: A002
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *,
    act: Activation = None,
    residual: Tensor | None = None,
    mask: Tensor | None = None,
) -> tuple[Tensor, Moments]:
    """Batch normalization with the statistics of the batch, and these statistics.

    `batch_norm` in training, for who keeps running statistics; the arguments are the same.

    Returns:
        The output, and the moments that running statistics are moved by, without a gradient.
    """
    count = _check_batch("batch_norm", input, weight, bias)
    ending = kernels.choose("batch_norm", input, act, residual, weight, bias, mask=mask)
    if ending is not None:
        y, mean, variance = kernels.batch_norm(input, weight, bias, eps, ending)
        return finish(y, ending.act), Moments(mean, variance, count)
    return _by_formula(input, weight, bias, eps, act, residual, mask)


def batch_norm_moving(
    input: Tensor,  # noqa: A002
    running: Running,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *,
    act: Activation = None,
    residual: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Batch normalization with the statistics of the batch, which move running ones.

    `batch_norm` in training, for who counts the batches; the other arguments are the same.
    """
    count = _check_batch("batch_norm", input, weight, bias)
    ending = kernels.choose("batch_norm", input, act, residual, weight, bias, mask=mask)
    if ending is None:
        y, moments = _by_formula(input, weight, bias, eps, act, residual, mask)
    elif ending.act is None and moves_beside_kernel(running, input):
        if is_recomputation():
            # By the same operator: selective checkpointing looks for those that ran before.
            running = Running(None, None, None, running.momentum)
        return kernels.batch_norm_moving(input, running, weight, bias, eps, ending)
    else:
        y, mean, variance = kernels.batch_norm(input, weight, bias, eps, ending)
        y, moments = finish(y, ending.act), Moments(mean, variance, count)
    update_running_(
        running.mean, running.variance, moments, running.momentum, running.num_batches_tracked
    )
    return y


def _by_formula(
    input: Tensor,  # noqa: A002
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    act: Activation,
    residual: Tensor | None,
    mask: Tensor | None,
) -> tuple[Tensor, Moments]:
    """By the plain formula, whatever a kernel would have taken."""
    return ended(
        lambda **sources: _of_batch(**sources, eps=eps),
        act,
        residual,
        input=input,
        weight=weight,
        bias=bias,
        kept=check_mask("batch_norm", mask, input),
    )


def _of_batch(
    input: Tensor,  # noqa: A002
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    kept: Tensor | None = None,
) -> tuple[Tensor, Moments]:
    """With the statistics of the batch, and these."""
    centred, variance, moments = _centred(input, kept, _count(input))
    y = standardised(centred, variance, weight, bias, eps)
    return in_precision_of(input, y), moments


kernels.register_batch(lambda *arguments: _of_batch(*arguments)[0], _applied)


def centred_batch(
    function: str,
    input: Tensor,  # noqa: A002
    weight: Tensor | None,
    bias: Tensor | None,
    mask: Tensor | None,
) -> tuple[Tensor, Tensor, Moments]:
    """x − μ, the biased σ² with as many axes, and the moments, without a gradient.

    The start of what normalises with the statistics of the batch; it checks what it is given.
    """
    count = _check_batch(function, input, weight, bias)
    return _centred(input, check_mask(function, mask, input), count)


def _check_batch(
    function: str,
    input: Tensor,  # noqa: A002
    weight: Tensor | None,
    bias: Tensor | None,
) -> int:
    """Raises unless a batch can be normalised; returns how many values a channel has."""
    check_input(function, input)
    check_per_channel(function, input.shape[1], weight=weight, bias=bias)
    count = _count(input)
    check_several(
        f"{function} with the statistics of the batch",
        count,
        input,
        per="channel",
        fix="Use a larger batch (drop_last=True for the last one), evaluation mode, "
        "or a norm that does not look over the batch.",
    )
    return count


def _count(x: Tensor) -> int:
    return value_count(x, (0, *range(2, x.ndim)))


def _centred(
    input: Tensor,  # noqa: A002
    kept: Tensor | None,
    count: int,
) -> tuple[Tensor, Tensor, Moments]:
    x = at_least_float32(input, kept)
    axes = (0, *range(2, x.ndim))
    centred, minus_mean, variance = centred_moments(x, axes, kept=kept)
    found = count if kept is None else kept_count(x, axes, kept)
    moments = Moments(
        mean=-minus_mean.detach().flatten(),
        variance=unbiased(variance.detach(), found).flatten(),
        size=found,
    )
    return centred, variance, moments
