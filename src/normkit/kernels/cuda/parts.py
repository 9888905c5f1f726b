"""Which values a program goes over, and which statistics and parameters are theirs."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def multiple_of(length, ALIGNED: tl.constexpr):
    """The same, so that the compiler sees what divides it, and loads as many values at once."""
    return length // ALIGNED * ALIGNED


@triton.jit
def part_of(
    rows,
    width,
    channels,
    parts,
    per_part,
    PLANES: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """The part of this program.

    Where the rows are planes, it is some of them, through a part of their positions; otherwise some
    columns, through a part of the rows of a sample (or of all of them, as one).

    Args:
        rows: of a sample; where they are planes, of all.
        width: of a row.
        channels: how many there are.
        parts: into how many parts a plane, or the rows of a sample, are divided.
        per_part: how many values are in one.

    Returns:
        Its first row and column; how many values it goes through; and of what is beside each other,
        `(ROWS, 1)` or `(1, COLUMNS)`: the channel, the sample, the unit of partial results (sample
        and part), and whether it is there at all.
    """
    if PLANES:
        row = tl.program_id(0).to(tl.int64) * ROWS
        part = tl.program_id(1)
        column = part * per_part
        count = tl.minimum(per_part, width - column)
        plane = row + tl.arange(0, ROWS)[:, None]
        channel = (plane % channels).to(tl.int32)
        sample = (plane // channels).to(tl.int32)
        exists = plane < rows
    else:
        of_all = tl.program_id(0)
        part = of_all % parts
        first = part * per_part
        row = (of_all // parts).to(tl.int64) * rows + first
        column = tl.program_id(1) * COLUMNS
        count = tl.minimum(per_part, rows - first)
        channel = column + tl.arange(0, COLUMNS)[None, :]
        sample = tl.zeros([1, COLUMNS], tl.int32) + of_all // parts
        exists = channel < width
    return row, column, count, channel, sample, sample * parts + part, exists


@triton.jit
def tile_at(
    start,
    count,
    width,
    exists,
    PLANES: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """The tile that begins after `start` values: its places from the part's first, and which count.

    `start` values are so many positions of planes, or so many rows.
    """
    r = tl.arange(0, ROWS)[:, None]
    c = tl.arange(0, COLUMNS)[None, :]
    if PLANES:
        return r * width + start + c, exists & (start + c < count)
    else:
        return (start + r) * width + c, exists & (start + r < count)


@triton.jit
def words_at(
    start,
    count,
    row,
    column,
    width,
    rows,
    PLANES: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Where the signs of a tile are, and which of their bytes count."""
    r = tl.arange(0, ROWS)[:, None]
    c = tl.arange(0, COLUMNS // 8)[None, :]
    wide = (width + 7) // 8
    if PLANES:
        word = (column + start) // 8 + c
        return (row + r) * wide + word, (row + r < rows) & (start + 8 * c < count)
    else:
        word = column // 8 + c
        return (row + start + r) * wide + word, (start + r < count) & (word < wide)


@triton.jit
def affine_of(
    mean,
    variance,
    weight,
    bias,
    statistic,
    channel,
    exists,
    biased,
    eps,
    COMPUTED: tl.constexpr,
):
    """γ · (x − μ) / √(σ² + ε) + β as (x − centre) · scale + shift.

    The centre is the mean rounded; what the rounding lost is in the shift.
    """
    exact, root = standard_of(mean, variance, statistic, exists, biased, eps)
    centre = exact.to(COMPUTED)
    scale = root
    if weight is not None:
        scale = root * tl.load(weight + channel, exists, 0).to(tl.float64)
    shift = (centre.to(tl.float64) - exact) * scale
    if bias is not None:
        shift += tl.load(bias + channel, exists, 0).to(tl.float64)
    return centre, scale.to(COMPUTED), shift.to(COMPUTED)


@triton.jit
def standard_of(mean, variance, statistic, exists, biased, eps):
    """μ and 1 / √(σ² + ε), in float64; `biased` makes of the kept variance that of the values."""
    exact = tl.load(mean + statistic, exists, 0).to(tl.float64)
    spread = tl.load(variance + statistic, exists, 1).to(tl.float64) * biased
    return exact, 1 / tl.sqrt(spread + eps)


@triton.jit
def narrowed(value, like):
    """A value as a pointer's type holds it; by float32, since there is no other way to half."""
    kind: tl.constexpr = like.dtype.element_ty
    if kind == tl.float64:
        return value.to(tl.float64)
    else:
        return value.to(tl.float32).to(kind)
