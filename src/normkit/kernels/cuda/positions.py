"""Layer and root mean square normalization, over the values of each position.

The values of a position may be adjacent, as the channels of a channels-last map and trailing
dimensions are, or the positions of each. The backward takes the statistics anew, so nothing is
kept.
"""

from __future__ import annotations

import triton
import triton.language as tl

from normkit.kernels.cuda.activation import activated, differentiated
from normkit.kernels.cuda.moments import lanes_together, welford
from normkit.kernels.cuda.parts import multiple_of, narrowed


@triton.jit
def normalise_positions(
    x,
    residual,
    output,
    weight,
    bias,
    positions,
    size,
    eps: tl.float64,
    slope: tl.float64,
    KIND: tl.constexpr,
    CENTRED: tl.constexpr,
    COMPUTED: tl.constexpr,
    ADJACENT: tl.constexpr,
    ALIGNED: tl.constexpr,
    POSITIONS: tl.constexpr,
    VALUES: tl.constexpr,
):
    """The output of some positions of a sample.

    Args:
        ADJACENT: whether the values of a position are; there is one sample then.
        ALIGNED: what divides how many are adjacent, of values or of positions.
    """
    if ADJACENT:
        size = multiple_of(size, ALIGNED)
        position_stride, value_stride = size, 1
    else:
        positions = multiple_of(positions, ALIGNED)
        position_stride, value_stride = 1, positions.to(tl.int64)
    blocks = tl.cdiv(positions, POSITIONS)
    top = tl.program_id(0) % blocks * POSITIONS
    exists = top + tl.arange(0, POSITIONS)[:, None] < positions
    lane = tl.arange(0, VALUES)[None, :]
    place = tl.arange(0, POSITIONS)[:, None] * position_stride + lane * value_stride
    first = tl.program_id(0).to(tl.int64) // blocks * positions * size
    first += top.to(tl.int64) * position_stride
    shift, centre, root = _standard(
        x + first, exists, place, size, position_stride, value_stride,
        eps, CENTRED, COMPUTED, POSITIONS, VALUES,
    )  # fmt: skip
    low = tl.full([1, 1], slope, COMPUTED)
    for start in range(0, size, VALUES):
        value = start + lane
        inside = exists & (value < size)
        t = ((tl.load(x + first + place, inside, 0).to(COMPUTED) - shift) - centre) * root
        z = _affine(t, weight, bias, value, size, COMPUTED)
        if residual is not None:
            z += tl.load(residual + first + place, inside, 0).to(COMPUTED)
        tl.store(output + first + place, narrowed(activated(z, low, KIND), output), inside)
        first += VALUES * value_stride


@triton.jit
def differentiate_positions(
    upstream,
    x,
    residual,
    weight,
    bias,
    of_input,
    of_residual,
    of_weight,
    of_bias,
    standards,
    positions,
    per_program,
    size,
    eps: tl.float64,
    slope: tl.float64,
    KIND: tl.constexpr,
    CENTRED: tl.constexpr,
    COMPUTED: tl.constexpr,
    ADJACENT: tl.constexpr,
    ALIGNED: tl.constexpr,
    POSITIONS: tl.constexpr,
    VALUES: tl.constexpr,
    WHOLE: tl.constexpr,
):
    """The gradients of the maps, and the sums over a program's positions of those of γ and β.

    Args:
        of_weight: `(programs, size)` or None.
        of_bias: likewise; there are both or none.
        standards: shift, centre and root of each position, `(positions, 3)`, or None: of adjacent
            values that are not in one tile, for `sums_of_values`.
        per_program: how many positions of a sample a program goes through.
        ADJACENT: whether the values of a position are; there is one sample then.
        ALIGNED: what divides how many are adjacent, of values or of positions.
        WHOLE: whether all values of a position are in one tile.
    """
    if ADJACENT:
        size = multiple_of(size, ALIGNED)
        position_stride, value_stride = size, 1
    else:
        positions = multiple_of(positions, ALIGNED)
        position_stride, value_stride = 1, positions.to(tl.int64)
    blocks = tl.cdiv(positions, per_program)
    program = tl.program_id(0)
    of_sample = program.to(tl.int64) // blocks * positions * size
    begin = program.to(tl.int64) % blocks * per_program
    end = tl.minimum(begin + per_program, positions)
    low = tl.full([1, 1], slope, COMPUTED)
    beta = tl.zeros([1, VALUES], COMPUTED)
    gamma = tl.zeros([1, VALUES], COMPUTED)
    lane = tl.arange(0, VALUES)[None, :]
    place = tl.arange(0, POSITIONS)[:, None] * position_stride + lane * value_stride
    for top in range(begin, end, POSITIONS):
        exists = top + tl.arange(0, POSITIONS)[:, None] < end
        first = of_sample + top * position_stride
        shift, centre, root = _standard(
            x + first, exists, place, size, position_stride, value_stride,
            eps, CENTRED, COMPUTED, POSITIONS, VALUES,
        )  # fmt: skip
        if standards is not None:
            kept = standards + 3 * (top + tl.arange(0, POSITIONS)[:, None])
            tl.store(kept, shift, exists)
            tl.store(kept + 1, centre, exists)
            tl.store(kept + 2, root, exists)
        plain = tl.zeros([POSITIONS, 1], COMPUTED)
        product = tl.zeros([POSITIONS, 1], COMPUTED)
        at = first
        for start in range(0, size, VALUES):
            value = start + lane
            inside = exists & (value < size)
            t, dz = before_activation(
                upstream, x, residual, weight, bias, at, place,
                value, size, inside, shift, centre, root, low, KIND, COMPUTED,
            )  # fmt: skip
            g = _weighted(dz, weight, value, size, COMPUTED)
            plain += tl.sum(g, 1, keep_dims=True)
            product += tl.sum(g * t, 1, keep_dims=True)
            if of_weight is not None:
                of_beta = tl.sum(dz, 0, keep_dims=True)
                of_gamma = tl.sum(dz * t, 0, keep_dims=True)
                if WHOLE:
                    beta += of_beta
                    gamma += of_gamma
                else:
                    into = program.to(tl.int64) * size + value
                    _add(of_bias + into, of_beta, value < size, top > begin)
                    _add(of_weight + into, of_gamma, value < size, top > begin)
                    # What was stored is read by other threads for the next positions.
                    tl.debug_barrier()
            at += VALUES * value_stride
        mean = plain / size if CENTRED else tl.zeros([POSITIONS, 1], COMPUTED)
        product = product / size
        at = first
        for start in range(0, size, VALUES):
            value = start + lane
            inside = exists & (value < size)
            t, dz = before_activation(
                upstream, x, residual, weight, bias, at, place,
                value, size, inside, shift, centre, root, low, KIND, COMPUTED,
            )  # fmt: skip
            if of_residual is not None:
                tl.store(of_residual + at + place, narrowed(dz, of_residual), inside)
            if of_input is not None:
                g = _weighted(dz, weight, value, size, COMPUTED)
                dx = root * (g - mean - t * product)
                tl.store(of_input + at + place, narrowed(dx, of_input), inside)
            at += VALUES * value_stride
    if WHOLE and of_weight is not None:
        into = program.to(tl.int64) * size + lane
        tl.store(of_bias + into, beta, lane < size)
        tl.store(of_weight + into, gamma, lane < size)


@triton.jit
def together(parts, output, programs, size, PROGRAMS: tl.constexpr, VALUES: tl.constexpr):
    """The sum of what each program found, `(programs, size)` → `(size)`."""
    value = tl.program_id(0) * VALUES + tl.arange(0, VALUES)[None, :]
    sums = tl.zeros([PROGRAMS, VALUES], tl.float64)
    for start in range(0, programs, PROGRAMS):
        program = start + tl.arange(0, PROGRAMS)[:, None]
        inside = (program < programs) & (value < size)
        part = tl.load(parts + program.to(tl.int64) * size + value, inside, 0)
        sums += part.to(tl.float64)
    total = tl.sum(sums, 0, keep_dims=True)
    tl.store(output + value, narrowed(total, output), value < size)


@triton.jit
def _standard(
    x,
    exists,
    place,
    size,
    position_stride,
    value_stride,
    eps,
    CENTRED: tl.constexpr,
    COMPUTED: tl.constexpr,
    POSITIONS: tl.constexpr,
    VALUES: tl.constexpr,
):
    """t = (x − shift − centre) · root, given where the first position's values begin.

    In two steps, so that the rounding of a large mean is not lost.
    """
    lane = tl.arange(0, VALUES)[None, :]
    of_lanes = tl.zeros([POSITIONS, VALUES], COMPUTED)
    squares = tl.zeros([POSITIONS, VALUES], COMPUTED)
    if CENTRED:
        first = tl.arange(0, POSITIONS)[:, None] * position_stride
        shift = tl.load(x + first, exists, 0).to(COMPUTED)
        turn = tl.full([1, 1], 0, COMPUTED)
        for start in range(0, size, VALUES):
            inside = exists & (start + lane < size)
            turn += 1
            of_lanes, squares = welford(
                tl.load(x + place, inside, 0).to(COMPUTED) - shift, of_lanes, squares, inside, turn
            )
            x += VALUES * value_stride
        centre, squared = lanes_together(of_lanes, squares, size, 1, VALUES)
    else:
        for start in range(0, size, VALUES):
            here = tl.load(x + place, exists & (start + lane < size), 0).to(COMPUTED)
            squares += here * here
            x += VALUES * value_stride
        shift = tl.zeros([POSITIONS, 1], COMPUTED)
        centre = tl.zeros([POSITIONS, 1], COMPUTED)
        squared = tl.sum(squares, 1, keep_dims=True)
    root = 1 / tl.sqrt((squared / size).to(tl.float64) + eps)
    return shift, centre, root.to(COMPUTED)


@triton.jit
def _affine(t, weight, bias, value, size, COMPUTED: tl.constexpr):
    """γ · t + β."""
    z = _weighted(t, weight, value, size, COMPUTED)
    if bias is not None:
        z += tl.load(bias + value, value < size, 0).to(COMPUTED)
    return z


@triton.jit
def _weighted(t, weight, value, size, COMPUTED: tl.constexpr):
    """γ · t."""
    if weight is not None:
        return t * tl.load(weight + value, value < size, 0).to(COMPUTED)
    else:
        return t


@triton.jit
def before_activation(
    upstream,
    x,
    residual,
    weight,
    bias,
    at,
    place,
    value,
    size,
    inside,
    shift,
    centre,
    root,
    slope,
    KIND: tl.constexpr,
    COMPUTED: tl.constexpr,
):
    """t, and dz = dy · act′(z), of a tile; dz is 0 outside."""
    t = ((tl.load(x + at + place, inside, 0).to(COMPUTED) - shift) - centre) * root
    dy = tl.load(upstream + at + place, inside, 0).to(COMPUTED)
    z = _affine(t, weight, bias, value, size, COMPUTED)
    if residual is not None:
        z += tl.load(residual + at + place, inside, 0).to(COMPUTED)
    return t, differentiated(dy, z, slope, KIND)


@triton.jit
def _add(place, value, inside, is_set):
    """Adds to what is there, where anything has been set."""
    before = tl.load(place, tl.where(inside, is_set, False), 0)
    tl.store(place, before + value, inside)
