"""A batch cut into parts, each with statistics of its own.

The parts are runs of samples, as equal as can be: of N samples in P parts the last N mod P have
one sample more than the others.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from normkit.functional.statistics import centred_by, value_count

Runs = list[tuple[int, int]]
"""The parts, those of one size together: how many, and of how many samples."""


def runs_of(samples: int, parts: int) -> Runs:
    """The parts of a batch.

    >>> runs_of(8, 4), runs_of(11, 4)
    ([(4, 2)], [(1, 2), (3, 3)])
    """
    # Not divmod, which torch.compile does not know.
    size, larger = samples // parts, samples % parts
    if larger == 0:
        return [(parts, size)]
    return [(parts - larger, size), (larger, size + 1)]


class PartMoments(NamedTuple):
    """The statistics of the part that each sample is in.

    Attributes:
        centred: x − mean, of the shape of x.
        mean: `(N, C, 1, ...)`.
        variance: `(N, C, 1, ...)`, biased.
        size: how many values each is taken from, `(N, 1, ...)`, or `(1, 1, ...)` where all agree.
    """

    centred: Tensor
    mean: Tensor
    variance: Tensor
    size: Tensor


def moments_of_parts(x: Tensor, runs: Runs, kept: Tensor | None = None) -> PartMoments:
    """The statistics of each part, over its samples and all positions.

    With a mask `(N, 1, *)` they are those of the values that it keeps.

    >>> x = torch.tensor([[1.0], [3.0], [5.0], [9.0]])
    >>> found = moments_of_parts(x, runs_of(4, 2))
    >>> found.centred.flatten(), found.mean.flatten(), found.variance.flatten()
    (tensor([-1.,  1., -2.,  2.]), tensor([2., 2., 7., 7.]), tensor([1., 1., 4., 4.]))
    """
    positions = tuple(range(2, x.ndim))

    def total(x: Tensor) -> Tensor:
        # The positions first: so the layout of a map is kept, and what is left is small.
        return _total(x.sum(positions, keepdim=True) if positions else x, runs)

    size = _sizes(x, runs, value_count(x, positions)) if kept is None else total(kept).to(x.dtype)
    centred, minus_mean, variance = centred_by(total, 1 / size.clamp(min=1), x, kept)
    return PartMoments(centred, -minus_mean, variance, size)


def _total(of_samples: Tensor, runs: Runs) -> Tensor:
    """The sum over each part, for each of its samples."""
    totals = []
    for (parts, size), run in zip(runs, _split(of_samples, runs), strict=True):
        split = run.reshape(parts, size, *run.shape[1:])
        totals.append(split.sum(1, keepdim=True).expand(split.shape).reshape(run.shape))
    return totals[0] if len(totals) == 1 else torch.cat(totals)


def _split(of_samples: Tensor, runs: Runs) -> tuple[Tensor, ...]:
    if len(runs) == 1:
        return (of_samples,)
    return torch.split(of_samples, [parts * size for parts, size in runs])


def _sizes(x: Tensor, runs: Runs, positions: int) -> Tensor:
    # Filled where x is: a tensor made of numbers would have to be sent there.
    ones = (1,) * (x.ndim - 1)
    if len(runs) == 1:
        return x.new_full((1, *ones), runs[0][1] * positions)
    return torch.cat([x.new_full((p * size, *ones), size * positions) for p, size in runs])
