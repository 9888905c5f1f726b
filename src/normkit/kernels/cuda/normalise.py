"""act(γ · (x − μ) / √(σ² + ε) + β + residual), given the statistics, and its derivative."""

from __future__ import annotations

import triton
import triton.language as tl

from normkit.kernels.cuda.activation import NONE, activated, by_side, differentiated, is_steep
from normkit.kernels.cuda.parts import (
    affine_of,
    multiple_of,
    narrowed,
    part_of,
    tile_at,
    words_at,
)
from normkit.kernels.cuda.running import move
from normkit.kernels.cuda.signs import packed, unpacked


@triton.jit
def normalise(
    x,
    residual,
    output,
    signs,
    mean,
    variance,
    weight,
    bias,
    rows,
    width,
    channels,
    parts,
    per_part,
    statistics_of_sample,
    per_group,
    biased: tl.float64,
    eps: tl.float64,
    slope: tl.float64,
    KIND: tl.constexpr,
    COMPUTED: tl.constexpr,
    PLANES: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    ALIGNED: tl.constexpr,
    running_mean=None,
    running_var=None,
    batches=None,
    statistics=0,
    momentum: tl.float64 = 0.0,
):
    """The output, and the signs where there is room for them.

    Running statistics are moved by all of a batch's, so many as `statistics`, by the first program:
    here these are complete, where the kernel that finds them would have to wait for its programs.
    """
    width = multiple_of(width, ALIGNED)
    row, column, count, channel, sample, _, exists = part_of(
        rows, width, channels, parts, per_part, PLANES, ROWS, COLUMNS
    )
    statistic = sample * statistics_of_sample + channel // per_group
    centre, scale, shift = affine_of(
        mean, variance, weight, bias, statistic, channel, exists, biased, eps, COMPUTED
    )
    low = tl.full([1, 1], slope, COMPUTED)
    first = row * width + column
    LANES: tl.constexpr = COLUMNS if PLANES else ROWS
    for start in range(0, count, LANES):
        place, inside = tile_at(start, count, width, exists, PLANES, ROWS, COLUMNS)
        z = (tl.load(x + first + place, inside, 0).to(COMPUTED) - centre) * scale + shift
        if residual is not None:
            z += tl.load(residual + first + place, inside, 0).to(COMPUTED)
        tl.store(output + first + place, narrowed(activated(z, low, KIND), output), inside)
        if signs is not None:
            word, counts = words_at(start, count, row, column, width, rows, PLANES, ROWS, COLUMNS)
            tl.store(signs + word, packed(is_steep(z, KIND), ROWS, COLUMNS), counts)
    # Two conditions: what the first one refuses is not compiled.
    if running_mean is not None or running_var is not None or batches is not None:  # noqa: SIM102
        if tl.program_id(0) + tl.program_id(1) == 0:
            move(running_mean, running_var, batches, mean, variance, statistics, momentum, 1024)


@triton.jit
def _before_activation(
    upstream,
    residual,
    signs,
    centred,
    scale,
    shift,
    first,
    place,
    inside,
    start,
    count,
    row,
    column,
    width,
    rows,
    slope,
    KIND: tl.constexpr,
    COMPUTED: tl.constexpr,
    PLANES: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """dz = dy · act′(z) of a tile, by the signs where they were kept; 0 outside."""
    dy = tl.load(upstream + first + place, inside, 0).to(COMPUTED)
    if KIND == NONE:
        dz = dy
    elif signs is not None:
        word, counts = words_at(start, count, row, column, width, rows, PLANES, ROWS, COLUMNS)
        steep = unpacked(tl.load(signs + word, counts, 0), ROWS, COLUMNS)
        dz = by_side(dy, steep, slope, KIND)
    else:
        z = centred * scale + shift
        if residual is not None:
            z += tl.load(residual + first + place, inside, 0).to(COMPUTED)
        dz = differentiated(dy, z, slope, KIND)
    return dz


@triton.jit
def sums(
    upstream,
    x,
    residual,
    signs,
    mean,
    variance,
    weight,
    bias,
    of_bias,
    of_weight,
    rows,
    width,
    channels,
    parts,
    per_part,
    statistics_of_sample,
    per_group,
    biased: tl.float64,
    eps: tl.float64,
    slope: tl.float64,
    KIND: tl.constexpr,
    COMPUTED: tl.constexpr,
    PLANES: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    ALIGNED: tl.constexpr,
):
    """The sums of dz and of dz · (x − centre) of each part, `(units, C)`."""
    width = multiple_of(width, ALIGNED)
    row, column, count, channel, sample, unit, exists = part_of(
        rows, width, channels, parts, per_part, PLANES, ROWS, COLUMNS
    )
    statistic = sample * statistics_of_sample + channel // per_group
    centre, scale, shift = affine_of(
        mean, variance, weight, bias, statistic, channel, exists, biased, eps, COMPUTED
    )
    low = tl.full([1, 1], slope, COMPUTED)
    first = row * width + column
    plain = tl.zeros([ROWS, COLUMNS], COMPUTED)
    product = tl.zeros([ROWS, COLUMNS], COMPUTED)
    LANES: tl.constexpr = COLUMNS if PLANES else ROWS
    for start in range(0, count, LANES):
        place, inside = tile_at(start, count, width, exists, PLANES, ROWS, COLUMNS)
        centred = tl.load(x + first + place, inside, 0).to(COMPUTED) - centre
        dz = _before_activation(
            upstream, residual, signs, centred, scale, shift, first, place, inside, start, count,
            row, column, width, rows, low, KIND, COMPUTED, PLANES, ROWS, COLUMNS,
        )  # fmt: skip
        plain += dz
        product += dz * centred
    AXIS: tl.constexpr = 1 if PLANES else 0
    at = unit.to(tl.int64) * channels + channel
    tl.store(of_bias + at, tl.sum(plain, AXIS, keep_dims=True), exists)
    tl.store(of_weight + at, tl.sum(product, AXIS, keep_dims=True), exists)


@triton.jit
def gradient(
    upstream,
    x,
    residual,
    signs,
    mean,
    variance,
    weight,
    bias,
    tilt,
    offset,
    of_input,
    of_residual,
    rows,
    width,
    channels,
    parts,
    per_part,
    statistics_of_sample,
    per_group,
    biased: tl.float64,
    eps: tl.float64,
    slope: tl.float64,
    KIND: tl.constexpr,
    COMPUTED: tl.constexpr,
    PLANES: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    ALIGNED: tl.constexpr,
):
    """dx = γ / √(σ² + ε) · dz + tilt · (x − centre) + offset, and dz for the residual.

    Tilt and offset are what the input does by way of the statistics: see `gradients.py`. There are
    none where the statistics are given.
    """
    width = multiple_of(width, ALIGNED)
    row, column, count, channel, sample, _, exists = part_of(
        rows, width, channels, parts, per_part, PLANES, ROWS, COLUMNS
    )
    statistic = sample * statistics_of_sample + channel // per_group
    centre, scale, shift = affine_of(
        mean, variance, weight, bias, statistic, channel, exists, biased, eps, COMPUTED
    )
    if tilt is not None:
        by = tl.load(tilt + statistic, exists, 0)
        added = tl.load(offset + statistic, exists, 0)
    low = tl.full([1, 1], slope, COMPUTED)
    first = row * width + column
    LANES: tl.constexpr = COLUMNS if PLANES else ROWS
    for start in range(0, count, LANES):
        place, inside = tile_at(start, count, width, exists, PLANES, ROWS, COLUMNS)
        centred = tl.load(x + first + place, inside, 0).to(COMPUTED) - centre
        dz = _before_activation(
            upstream, residual, signs, centred, scale, shift, first, place, inside, start, count,
            row, column, width, rows, low, KIND, COMPUTED, PLANES, ROWS, COLUMNS,
        )  # fmt: skip
        if of_residual is not None:
            tl.store(of_residual + first + place, narrowed(dz, of_residual), inside)
        if of_input is not None:
            dx = dz * scale
            if tilt is not None:
                dx += centred * by + added
            tl.store(of_input + first + place, narrowed(dx, of_input), inside)
