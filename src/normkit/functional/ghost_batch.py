"""Ghost batch normalization: batch normalization of parts of the batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from normkit.functional.activation import Activation, finish
from normkit.functional.batch import batch_norm
from normkit.functional.checks import (
    check_input,
    check_mask,
    check_per_channel,
    check_several,
    is_whole,
)
from normkit.functional.parts import PartMoments, moments_of_parts, runs_of
from normkit.functional.running import update_running_
from normkit.functional.statistics import (
    Moments,
    at_least_float32,
    in_precision_of,
    standardised,
    unbiased,
    value_count,
)


def ghost_batch_norm(
    input: Tensor,  # noqa: A002
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    ghost_batch_size: int = 32,
    act: Activation = None,
    residual: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Standardises each channel over the samples of a ghost batch and all positions.

    y = act(γ · (x − μ) / √(σ² + ε) + β + residual), with μ and σ² per ghost batch and channel over
    `(n, *)`; in evaluation they are the running statistics.

    A batch of N samples is cut into max(⌊N / ghost_batch_size⌋, 1) ghost batches, of samples that
    follow each other. They are as equal as can be, the last N mod that number one sample larger.
    So none is smaller than `ghost_batch_size` unless the whole batch is, and what is beyond a
    multiple of it, be it a single sample, is shared out among the others.

    The running statistics move once a batch: towards the average over the ghost batches of the
    mean and of the unbiased variance, each weighed by the values it is of. In the paper every
    ghost batch moves them in turn. There the last weighs the most, and the pace at which the past
    is forgotten grows with the size of the batch; here it is `momentum`, as in batch normalization.

    Args:
        input: `(N, C, *)`.
        running_mean: `(C)` or None; updated in place in training.
        running_var: `(C)` or None; updated in place in training.
        weight: γ, `(C)` or None.
        bias: β, `(C)` or None.
        training: whether the statistics are the ghost batches'.
        momentum: how far the running statistics move towards the batch's.
        eps: ε, added to the variance.
        ghost_batch_size: how many samples a ghost batch has at least.
        act: the activation: None, a name, or a module or function.
        residual: added before the activation, of the shape of `input`.
        mask: True where a value counts; see `batch_norm`. A sample that it leaves out keeps its
            place in a ghost batch. A ghost batch that is left with a single value per channel
            moves no running statistics.

    Returns:
        `(N, C, *)`, in the dtype and memory format of `input`.

    Raises:
        ValueError: one value per channel and ghost batch in training; a `ghost_batch_size` below
            1; no running statistics in evaluation; a vector that does not have C values; a
            residual of another shape.

    >>> x = torch.randn(9, 4, 5, 5) * 3 + 1
    >>> y = ghost_batch_norm(x, None, None, training=True, ghost_batch_size=4)
    >>> [bool(part.mean((0, 2, 3)).abs().max() < 1e-5) for part in (y[:4], y[4:])]
    [True, True]

    Paper: Hoffer, Hubara and Soudry, "Train longer, generalize better: closing the generalization
    gap in large batch training of neural networks", 2017, https://arxiv.org/abs/1705.08741
    """
    check_ghost_batch_size(ghost_batch_size)
    ending: dict[str, Any] = {"act": act, "residual": residual, "mask": mask}
    if not training:
        return batch_norm(input, running_mean, running_var, weight, bias, eps=eps, **ending)
    y, moments = ghost_batch_norm_of_batch(
        input, weight, bias, eps, ghost_batch_size=ghost_batch_size, **ending
    )
    check_per_channel(
        "ghost_batch_norm", input.shape[1], running_mean=running_mean, running_var=running_var
    )
    update_running_(running_mean, running_var, moments, momentum)
    return y


def ghost_batch_norm_of_batch(
    input: Tensor,  # noqa: A002
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *,
    ghost_batch_size: int = 32,
    act: Activation = None,
    residual: Tensor | None = None,
    mask: Tensor | None = None,
) -> tuple[Tensor, Moments]:
    """`ghost_batch_norm` in training, and the average statistics, for who keeps running ones.

    Returns:
        The output, and the moments that running statistics are moved by, without a gradient.
    """
    check_input("ghost_batch_norm", input)
    check_per_channel("ghost_batch_norm", input.shape[1], weight=weight, bias=bias)
    kept = check_mask("ghost_batch_norm", mask, input)
    x = at_least_float32(input, kept)
    samples = x.shape[0]
    # One part is asked for first: a batch may be smaller than a ghost batch.
    parts = 1 if samples < 2 * ghost_batch_size else samples // ghost_batch_size
    check_several(
        "ghost_batch_norm with the statistics of the batch",
        samples // parts * value_count(x, tuple(range(2, x.ndim))),
        x,
        per="channel and ghost batch",
        fix="Use a ghost_batch_size of at least 2 and a larger batch (drop_last=True for the last "
        "one), evaluation mode, or a norm that does not look over the batch.",
    )
    of_parts = moments_of_parts(x, runs_of(samples, parts), kept)
    y = standardised(of_parts.centred, of_parts.variance, weight, bias, eps)
    return finish(in_precision_of(input, y), act, residual), _average(of_parts, kept)


def _average(of_parts: PartMoments, kept: Tensor | None) -> Moments:
    """Of the ghost batches, each weighed by its values; of those that have a variance."""
    centred, mean, variance, size = of_parts
    mean, variance = mean.detach(), unbiased(variance.detach(), size)
    if kept is None:
        # All of them have one, and each sample has the same number of values.
        count = value_count(centred, (0, *range(2, centred.ndim)))
        return Moments(mean.mean(0).flatten(), variance.mean(0).flatten(), count)
    of_samples = kept.sum(tuple(range(1, kept.ndim)), keepdim=True)
    counted = torch.where(size > 1, of_samples.to(mean.dtype), 0.0)
    total = counted.sum()
    shares = counted / total.clamp(min=1)
    return Moments((mean * shares).sum(0).flatten(), (variance * shares).sum(0).flatten(), total)


def check_ghost_batch_size(size: int) -> None:
    """Raises unless a ghost batch has a sample."""
    if not is_whole(size, 1):
        raise ValueError(
            "ghost_batch_size is the number of samples that are normalised together; got "
            f"{size!r}. "
            "It must be a whole number of at least 1; 16 to 64 are common."
        )
