"""The sums behind the gradients of γ and β, value by value, where a position fills no one tile."""

from __future__ import annotations

import triton
import triton.language as tl

from normkit.kernels.cuda.parts import multiple_of
from normkit.kernels.cuda.positions import before_activation


@triton.jit
def sums_of_values(
    upstream,
    x,
    residual,
    weight,
    bias,
    standards,
    of_weight,
    of_bias,
    positions,
    per_program,
    size,
    slope: tl.float64,
    KIND: tl.constexpr,
    COMPUTED: tl.constexpr,
    ALIGNED: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """The sums of dz · t and of dz over a program's positions, `(programs, size)`.

    Args:
        standards: shift, centre and root of each position, `(positions, 3)`.
        per_program: how many positions a program goes through.
        ALIGNED: what divides `size`.
    """
    size = multiple_of(size, ALIGNED)
    value = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)[None, :]
    begin = tl.program_id(1).to(tl.int64) * per_program
    end = tl.minimum(begin + per_program, positions)
    place = tl.arange(0, ROWS)[:, None].to(tl.int64) * size + value
    low = tl.full([1, 1], slope, COMPUTED)
    beta = tl.zeros([ROWS, COLUMNS], COMPUTED)
    gamma = tl.zeros([ROWS, COLUMNS], COMPUTED)
    for top in range(begin, end, ROWS):
        position = top + tl.arange(0, ROWS)[:, None]
        exists = position < end
        shift = tl.load(standards + 3 * position, exists, 0)
        centre = tl.load(standards + 3 * position + 1, exists, 0)
        root = tl.load(standards + 3 * position + 2, exists, 0)
        t, dz = before_activation(
            upstream, x, residual, weight, bias, top * size, place,
            value, size, exists & (value < size), shift, centre, root, low, KIND, COMPUTED,
        )  # fmt: skip
        beta += dz
        gamma += dz * t
    into = tl.program_id(1).to(tl.int64) * size + value
    tl.store(of_bias + into, tl.sum(beta, 0, keep_dims=True), value < size)
    tl.store(of_weight + into, tl.sum(gamma, 0, keep_dims=True), value < size)
