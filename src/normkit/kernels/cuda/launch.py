"""How the kernels of statistics per channel, or per group of channels, are launched."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from normkit.kernels.cuda import checks, gradients, moments, normalise, tiles
from normkit.kernels.cuda.matrix import Matrix, Work, dtype_of
from normkit.kernels.cuda.running import Running
from normkit.kernels.library import Gradients, Normalised, empty_gradients, empty_signs

OVER_BATCH = 0
"""Statistics over the batch have no groups of channels."""


class Ending(NamedTuple):
    """act, and whether its signs are kept."""

    act: int
    slope: float
    keeps_signs: bool


class Backward(NamedTuple):
    """What an operator's derivative is given: what its forward was, returned, and dy."""

    upstream: Tensor
    input: Tensor
    residual: Tensor | None
    weight: Tensor | None
    bias: Tensor | None
    mean: Tensor
    variance: Tensor
    signs: Tensor | None


def normalised(
    x: Tensor,
    residual: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    groups: int,
    eps: float,
    ending: Ending,
    running: Running | None = None,
) -> Normalised:
    """With the statistics of the input, over the batch or over groups of channels of each sample.

    Three launches: the moments of each part, these put together, and the output; the last one moves
    running statistics too.
    """
    check(x, residual, weight, bias, groups)
    over_batch = groups == OVER_BATCH
    work = Work.of(x, Matrix.of(x, over_batch))
    samples, groups = (1, x.shape[1]) if over_batch else (len(x), groups)
    per_group = x.shape[1] // groups
    mean, variance = statistics_of(x, work, samples, groups, of_unbiased(x) if over_batch else 1.0)
    biased = 1 / of_unbiased(x) if over_batch else 1.0
    of_sample = OVER_BATCH if over_batch else groups
    output, signs = applied(
        work, x, residual, weight, bias, mean, variance, of_sample, per_group, eps, ending, biased,
        running,
    )  # fmt: skip
    return output, mean, variance, signs


def statistics_of(
    x: Tensor, work: Work, samples: int, groups: int, unbiased: float
) -> tuple[Tensor, Tensor]:
    """Mean and variance, in float64: the moments of each part, and these put together.

    Args:
        x: the map.
        work: how it is divided.
        samples: how many have statistics of their own.
        groups: how many of each sample.
        unbiased: what the variance is multiplied with.
    """
    of_parts, squares = work.of_parts(x, torch.float64), work.of_parts(x, dtype_of(x))
    moments.moments[work.grid](x, of_parts, squares, *work.shape(), **work.options())
    mean, variance = (x.new_empty(samples * groups, dtype=torch.float64) for _ in range(2))
    units, per_group = len(of_parts) // samples, x.shape[1] // groups
    tile = tiles.tile_of_results(units * per_group)
    moments.statistics[(samples * -(-groups // tile.columns),)](
        of_parts,
        squares,
        mean,
        variance,
        units,
        groups,
        per_group,
        *work.parts,
        work.length,
        float(x.numel() // (samples * groups)),
        unbiased,
        GROUPS=tile.columns,
        **_options(tile),
    )
    return mean, variance


def applied(
    work: Work,
    x: Tensor,
    residual: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    statistics_of_sample: int,
    per_group: int,
    eps: float,
    ending: Ending,
    biased: float = 1.0,
    running: Running | None = None,
) -> tuple[Tensor, Tensor]:
    """With given statistics: the output, and the signs where they are kept."""
    moved = {} if running is None else running.options(mean, variance)
    output, signs = torch.empty_like(x), empty_signs(x, ending.keeps_signs)
    normalise.normalise[work.grid](
        x,
        residual,
        output,
        signs if ending.keeps_signs else None,
        mean,
        variance,
        weight,
        bias,
        *work.shape(),
        statistics_of_sample,
        per_group,
        biased,
        eps,
        ending.slope,
        KIND=ending.act,
        **work.options(),
        **moved,
    )
    return output, signs


def differentiated(
    call: Backward,
    groups: int,
    biased: float,
    eps: float,
    act: int,
    slope: float,
    wants_input: bool,
    wants_residual: bool,
    *,
    found: bool,
) -> Gradients:
    """The gradients: sums over each part, these put together, and those of the maps.

    Args:
        call: what is given.
        groups: of channels, or `OVER_BATCH`.
        biased: what makes of the kept variance that of the values.
        eps: ε.
        act: the activation.
        slope: of the activation.
        wants_input: whether the input's is asked for.
        wants_residual: whether the residual's is.
        found: whether the statistics are those of the input, and so change with it.
    """
    x, weight, bias = call.input, call.weight, call.bias
    check(x, call.residual, weight, bias, groups)
    checks.check_asks_residual(wants_residual, act)
    checks.check_signs(x, call.signs)
    over_batch = groups == OVER_BATCH
    work = Work.of(x, Matrix.of(x, over_batch))
    samples, groups = (1, x.shape[1]) if over_batch else (len(x), groups)
    per_group, of_sample = x.shape[1] // groups, OVER_BATCH if over_batch else groups
    statistics = (call.mean, call.variance)
    if found:
        checks.check_statistics(x, samples * groups, *statistics)
    else:
        checks.check_vectors(x, groups, *statistics)
    upstream = checks.beside(x, call.upstream)
    of_maps = (upstream, x, call.residual, call.signs, *statistics, weight, bias)
    of_input, of_weight, of_bias, of_residual = empty_gradients(
        x, weight, bias, wants_input, wants_residual
    )
    shape = (*work.shape(), of_sample, per_group, biased, eps, slope)
    tilt = offset = None
    moves_statistics = found and wants_input
    if weight is not None or bias is not None or moves_statistics:
        plain, product = work.of_parts(x, dtype_of(x)), work.of_parts(x, dtype_of(x))
        normalise.sums[work.grid](*of_maps, plain, product, *shape, KIND=act, **work.options())
        if moves_statistics:
            tilt, offset = (x.new_empty(samples * groups, dtype=dtype_of(x)) for _ in range(2))
        total = float(x.numel() // (samples * groups))
        if weight is not None or bias is not None or over_batch:
            tile = tiles.tile_of_results(len(plain))
            gradients.of_channels[(-(-x.shape[1] // tile.columns),)](
                plain,
                product,
                *statistics,
                weight,
                None if weight is None else of_weight,
                None if bias is None else of_bias,
                tilt if over_batch else None,
                offset if over_batch else None,
                len(plain),
                work.units,
                x.shape[1],
                of_sample,
                per_group,
                total,
                biased,
                eps,
                COMPUTED=work.computed,
                OF_SAMPLES=of_sample != OVER_BATCH,
                CHANNELS=tile.columns,
                **_options(tile),
            )
        if moves_statistics and not over_batch:
            tile = tiles.tile_of_results(work.units * per_group)
            gradients.of_groups[(samples * -(-groups // tile.columns),)](
                plain,
                product,
                *statistics,
                weight,
                tilt,
                offset,
                work.units,
                groups,
                per_group,
                total,
                eps,
                COMPUTED=work.computed,
                GROUPS=tile.columns,
                **_options(tile),
            )
    if wants_input or wants_residual:
        normalise.gradient[work.grid](
            *of_maps,
            tilt,
            offset,
            of_input if wants_input else None,
            of_residual if wants_residual else None,
            *shape,
            KIND=act,
            **work.options(),
        )
    return of_input, of_weight, of_bias, of_residual


def _options(tile: tiles.Tile) -> dict[str, Any]:
    """Of what puts partial results together."""
    return {"UNITS": tile.rows, "num_warps": tile.warps, **tiles.COMPILED}


def check(
    x: Tensor, residual: Tensor | None, weight: Tensor | None, bias: Tensor | None, groups: int
) -> None:
    """Raises unless the kernels can be given these."""
    checks.check_map(x, axes=2)
    checks.check_like(x, residual)
    checks.check_vectors(x, x.shape[1], weight, bias)
    if groups != OVER_BATCH:
        checks.check_groups(x, groups)


def of_unbiased(x: Tensor) -> float:
    """What the biased variance of a batch's channel is multiplied with to become the unbiased."""
    count = x.numel() // x.shape[1]
    return count / (count - 1) if count > 1 else math.nan
