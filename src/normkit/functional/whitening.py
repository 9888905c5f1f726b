"""What the methods that whiten have in common: covariances, and how a projection is applied.

The channels are taken in G groups of d = C / G. Each group has the covariance Σ of its channels
over the batch and all positions, and is multiplied by a symmetric matrix W near Σ^(−1/2), its
projection. The methods differ in how they find W.

Running statistics are the mean and the covariance, and evaluation's W is found from that one. The
papers average the batches' own W. Where a batch does not vary in some direction its W is very large
there, and an average of such W is large in directions in which the data do vary: behind a first
convolution with more outputs than inputs the network is then of no use in evaluation.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from normkit.functional.activation import Activation, finish
from normkit.functional.checks import check_input, check_mask, check_per_channel, check_several
from normkit.functional.group import check_groups
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


def whiten_batch(
    function: str,
    input: Tensor,  # noqa: A002
    project: Callable[[Tensor], Tensor],
    num_groups: int,
    weight: Tensor | None,
    bias: Tensor | None,
    act: Activation,
    residual: Tensor | None,
    mask: Tensor | None,
) -> tuple[Tensor, Moments]:
    """act(γ · W (x − μ) + β + residual) with μ and W of the batch, and these statistics.

    Args:
        function: what errors call it.
        input: `(N, C, *)`.
        project: Σ → W, of `(G, d, d)`.
        num_groups: G.
        weight: γ.
        bias: β.
        act: as everywhere.
        residual: as everywhere.
        mask: as everywhere.

    Returns:
        The output, and the moments that running statistics are moved by, without a gradient.
    """
    check_input(function, input)
    channels = input.shape[1]
    check_groups(num_groups, channels, function)
    check_per_channel(function, channels, weight=weight, bias=bias)
    kept = check_mask(function, mask, input)
    x = at_least_float32(input, kept)
    axes = (0, *range(2, x.ndim))
    count = value_count(x, axes)
    check_several(
        f"{function} with the statistics of the batch",
        count,
        x,
        per="channel",
        fix="Use a larger batch (drop_last=True for the last one), evaluation mode, "
        "or a norm that does not look over the batch.",
    )
    centred, minus_mean, _ = centred_moments(x, axes, kept=kept)
    found = count if kept is None else kept_count(x, axes, kept).reshape(())
    counted = centred if kept is None else torch.where(kept, centred, 0.0)
    with in_full_precision(x):
        covariance = _products(counted, num_groups) * _share(found)
        projection = project(covariance)
    moments = Moments(
        mean=-minus_mean.detach().flatten(),
        variance=unbiased(covariance.detach(), found),
        size=found,
    )
    return _finished(input, centred, projection, weight, bias, act, residual), moments


def whiten_by(
    function: str,
    input: Tensor,  # noqa: A002
    mean: Tensor,
    projection: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    act: Activation,
    residual: Tensor | None,
    mask: Tensor | None,
) -> Tensor:
    """act(γ · W (x − μ) + β + residual) with μ and W given, as in evaluation."""
    check_input(function, input)
    channels = input.shape[1]
    check_per_channel(function, channels, weight=weight, bias=bias, running_mean=mean)
    x = at_least_float32(input, check_mask(function, mask, input))
    centred = x - per_channel(mean, x)
    projection = in_precision_of(x, projection)
    return _finished(input, centred, projection, weight, bias, act, residual)


def whiten_as_run(
    function: str,
    input: Tensor,  # noqa: A002
    running_mean: Tensor | None,
    running_covariance: Tensor | None,
    project: Callable[[Tensor], Tensor],
    num_groups: int,
    weight: Tensor | None,
    bias: Tensor | None,
    act: Activation,
    residual: Tensor | None,
    mask: Tensor | None,
) -> Tensor:
    """act(γ · W (x − μ) + β + residual) with the running μ, and W of the running covariance."""
    if running_mean is None or running_covariance is None:
        raise ValueError(
            f"{function} in evaluation normalises with running_mean and running_covariance; got "
            "None. Pass both, or training=True to use the statistics of the batch."
        )
    check_running(function, running_mean, running_covariance, num_groups, input.shape[1])
    projection = projection_of(running_covariance, project)
    return whiten_by(function, input, running_mean, projection, weight, bias, act, residual, mask)


def projection_of(covariance: Tensor, project: Callable[[Tensor], Tensor]) -> Tensor:
    """W of a running covariance, in the precision it is computed in."""
    exact = at_least_float32(covariance)
    if exact is not covariance:
        # Rounded to half precision it may not be positive any more: by so much it may be off.
        largest = exact.diagonal(dim1=-2, dim2=-1).amax(-1)[..., None, None]
        identity = torch.eye(exact.shape[-1], dtype=exact.dtype, device=exact.device)
        size = exact.shape[-1]
        exact = exact + identity * largest * (size * torch.finfo(covariance.dtype).eps)
    with in_full_precision(exact):
        return project(exact)


def check_running(
    function: str,
    running_mean: Tensor | None,
    running_covariance: Tensor | None,
    num_groups: int,
    channels: int,
) -> None:
    """Raises unless there is one mean per channel and one matrix per group, where there are any."""
    check_groups(num_groups, channels, function)
    check_per_channel(function, channels, running_mean=running_mean)
    size = channels // num_groups
    expected = (num_groups, size, size)
    if running_covariance is not None and running_covariance.shape != expected:
        raise ValueError(
            f"{function}: running_covariance must hold one matrix per group of channels, of shape "
            f"{expected}; got {tuple(running_covariance.shape)}. Make the layer for the number of "
            "channels and groups that it is used with."
        )


def in_full_precision(x: Tensor) -> AbstractContextManager[object]:
    """Where autocast does not take the products of matrices to half precision."""
    if torch.amp.is_autocast_available(x.device.type):
        return torch.autocast(x.device.type, enabled=False)
    return nullcontext()


def whitening_groups(channels: int, at_most: int) -> int:
    """The smallest number of groups that leaves no more than `at_most` channels in each.

    >>> [whitening_groups(channels, at_most=16) for channels in (3, 16, 48, 64, 100)]
    [1, 1, 3, 4, 10]
    """
    return next(g for g in range(1, channels + 1) if channels % g == 0 and channels // g <= at_most)


def _share(count: int | Tensor) -> float | Tensor:
    return 1 / (count.clamp(min=1) if isinstance(count, Tensor) else max(count, 1))


# A tensor is multiplied in the memory format that it has, which its output and gradient then have.


def _products(centred: Tensor, groups: int) -> Tensor:
    """The sums of products of two channels of a group, `(G, d, d)`."""
    if _has_channels_last(centred):
        rows = _rows(centred, groups)
        return rows.mT @ rows
    columns = _columns(centred, groups)
    return (columns @ columns.mT).sum(0)


def _projected(centred: Tensor, projection: Tensor) -> Tensor:
    """W x for each group of channels, with W `(G, d, d)` symmetric."""
    groups = projection.shape[0]
    if _has_channels_last(centred):
        rows = _rows(centred, groups) @ projection
        samples, channels, *positions = centred.shape
        return rows.transpose(0, 1).reshape(samples, *positions, channels).movedim(-1, 1)
    return (projection @ _columns(centred, groups)).reshape(centred.shape)


def _has_channels_last(x: Tensor) -> bool:
    return x.stride(1) == 1


def _rows(x: Tensor, groups: int) -> Tensor:
    """`(N, C, *)` as `(G, N·*, d)`."""
    rows = value_count(x, (0, *range(2, x.ndim)))
    return x.movedim(1, -1).reshape(rows, groups, x.shape[1] // groups).transpose(0, 1)


def _columns(x: Tensor, groups: int) -> Tensor:
    """`(N, C, *)` as `(N, G, d, *)`, the positions in one axis."""
    positions = value_count(x, tuple(range(2, x.ndim)))
    return x.reshape(x.shape[0], groups, x.shape[1] // groups, positions)


def _finished(
    input: Tensor,  # noqa: A002
    centred: Tensor,
    projection: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    act: Activation,
    residual: Tensor | None,
) -> Tensor:
    with in_full_precision(centred):
        whitened = _projected(centred, projection)
    y = scale_and_shift(whitened, per_channel(weight, centred), per_channel(bias, centred))
    return finish(in_precision_of(input, y), act, residual)
