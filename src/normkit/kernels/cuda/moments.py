"""Mean and variance of each part, taken by Welford's formula, and put together."""

from __future__ import annotations

import triton
import triton.language as tl

from normkit.kernels.cuda.parts import multiple_of, part_of, tile_at


@triton.jit
def welford(value, mean, square, inside, turn):
    """Takes one more value into the mean and the sum of squares of each lane of a tile."""
    apart = tl.where(inside, value - mean, 0.0)
    mean += apart * (1 / turn)
    square += apart * (value - mean)
    return mean, square


@triton.jit
def lanes_together(mean, square, count, AXIS: tl.constexpr, LANES: tl.constexpr):
    """Mean and sum of squares of what the lanes of a tile have been through, along an axis.

    Chan, Golub and LeVeque's formula, centred on the mean of all.
    """
    if AXIS == 1:
        lane = tl.arange(0, LANES)[None, :]
    else:
        lane = tl.arange(0, LANES)[:, None]
    turns = ((count - lane + LANES - 1) // LANES).to(mean.dtype)
    whole = tl.sum(mean * turns, AXIS, keep_dims=True) / count
    apart = tl.where(turns > 0, mean - whole, 0.0)
    return whole, tl.sum(square + turns * apart * apart, AXIS, keep_dims=True)


@triton.jit
def moments(
    x,
    mean,
    square,
    rows,
    width,
    channels,
    parts,
    per_part,
    COMPUTED: tl.constexpr,
    PLANES: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    ALIGNED: tl.constexpr,
):
    """Mean, `(units, C)` in float64, and sum of squares around it, of each part."""
    width = multiple_of(width, ALIGNED)
    row, column, count, channel, _, unit, exists = part_of(
        rows, width, channels, parts, per_part, PLANES, ROWS, COLUMNS
    )
    LANES: tl.constexpr = COLUMNS if PLANES else ROWS
    x += row * width + column
    if PLANES:
        first = tl.arange(0, ROWS)[:, None] * width
    else:
        first = tl.arange(0, COLUMNS)[None, :]
    # The lanes' means are of the distance to one value: small where the values are near another.
    shift = tl.load(x + first, exists, 0).to(COMPUTED)
    of_lanes = tl.zeros([ROWS, COLUMNS], COMPUTED)
    squares = tl.zeros([ROWS, COLUMNS], COMPUTED)
    turn = tl.full([1, 1], 0, COMPUTED)
    for start in range(0, count, LANES):
        place, inside = tile_at(start, count, width, exists, PLANES, ROWS, COLUMNS)
        value = tl.load(x + place, inside, 0).to(COMPUTED) - shift
        turn += 1
        of_lanes, squares = welford(value, of_lanes, squares, inside, turn)
    AXIS: tl.constexpr = 1 if PLANES else 0
    whole, squares = lanes_together(of_lanes, squares, count, AXIS, LANES)
    at = unit.to(tl.int64) * channels + channel
    tl.store(mean + at, shift.to(tl.float64) + whole.to(tl.float64), exists)
    tl.store(square + at, squares, exists)


@triton.jit
def statistics(
    mean_of_parts,
    square_of_parts,
    mean,
    variance,
    units,
    groups,
    per_group,
    parts,
    per_part,
    length,
    total: tl.float64,
    unbiased: tl.float64,
    UNITS: tl.constexpr,
    GROUPS: tl.constexpr,
):
    """Mean and variance of each group of channels, of the parts of `units` rows of partial results.

    Args:
        mean_of_parts: `(samples · units, C)`.
        square_of_parts: likewise.
        mean: `(samples, groups)`, in float64.
        variance: likewise.
        units: rows of partial results that go to the same statistic.
        groups: of channels.
        per_group: how many channels a group has.
        parts: into how many parts what is `length` long was divided.
        per_part: how long each but the last is.
        length: see `parts`.
        total: how many values a statistic is taken from.
        unbiased: what the variance is multiplied with.
    """
    blocks = tl.cdiv(groups, GROUPS)
    sample = tl.program_id(0) // blocks
    group = tl.program_id(0) % blocks * GROUPS + tl.arange(0, GROUPS)[None, :]
    exists = group < groups
    first = sample.to(tl.int64) * units * groups * per_group + group * per_group
    sums = tl.zeros([UNITS, GROUPS], tl.float64)
    for start in range(0, units * per_group, UNITS):
        place, size, inside = _parts_at(
            start, units, per_group, groups, parts, per_part, length, UNITS
        )
        inside = inside & exists
        part = tl.load(mean_of_parts + first + place, inside, 0)
        sums += tl.where(inside, part * size, 0.0)
    of_group = tl.sum(sums, 0, keep_dims=True) / total
    squares = tl.zeros([UNITS, GROUPS], tl.float64)
    for start in range(0, units * per_group, UNITS):
        place, size, inside = _parts_at(
            start, units, per_group, groups, parts, per_part, length, UNITS
        )
        inside = inside & exists
        apart = tl.load(mean_of_parts + first + place, inside, 0) - of_group
        square = tl.load(square_of_parts + first + place, inside, 0).to(tl.float64)
        squares += tl.where(inside, square + apart * apart * size, 0.0)
    squares = tl.sum(squares, 0, keep_dims=True)
    at = sample * groups + group
    tl.store(mean + at, of_group, exists)
    tl.store(variance + at, squares / total * unbiased, exists)


@triton.jit
def _parts_at(start, units, per_group, groups, parts, per_part, length, UNITS: tl.constexpr):
    """Where the next partial results of a group are, of how many values, and which count."""
    j = start + tl.arange(0, UNITS)[:, None]
    unit = j // per_group
    place = unit.to(tl.int64) * (groups * per_group) + j % per_group
    size = tl.minimum(per_part, length - unit % parts * per_part).to(tl.float64)
    return place, size, j < units * per_group
