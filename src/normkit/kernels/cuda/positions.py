"""Layer and root mean square normalization, over the values of each position.

The values of a position may be adjacent, as the channels of a channels-last map and trailing
dimensions are, or the positions of each: that is told by strides. The backward takes the statistics
anew, so nothing is kept.
"""

from __future__ import annotations

import triton
import triton.language as tl

from normkit.kernels.cuda.activation import activated, differentiated
from normkit.kernels.cuda.moments import lanes_together, welford
from normkit.kernels.cuda.parts import narrowed


@triton.jit
def normalise_positions(
    x,
    residual,
    output,
    weight,
    bias,
    positions,
    size,
    sample_stride,
    position_stride,
    value_stride,
    eps: tl.float64,
    slope: tl.float64,
    KIND: tl.constexpr,
    CENTRED: tl.constexpr,
    COMPUTED: tl.constexpr,
    POSITIONS: tl.constexpr,
    VALUES: tl.constexpr,
):
    """The output of some positions of a sample."""
    blocks = tl.cdiv(positions, POSITIONS)
    sample = tl.program_id(0) // blocks
    block = tl.program_id(0) % blocks
    first = sample.to(tl.int64) * sample_stride
    position = block * POSITIONS + tl.arange(0, POSITIONS)[:, None]
    exists = position < positions
    place = position.to(tl.int64) * position_stride
    shift, centre, root = _standard(
        x + first + place, exists, size, value_stride, eps, CENTRED, COMPUTED, POSITIONS, VALUES
    )
    low = tl.full([1, 1], slope, COMPUTED)
    for start in range(0, size, VALUES):
        value = start + tl.arange(0, VALUES)[None, :]
        inside = exists & (value < size)
        at = first + place + value.to(tl.int64) * value_stride
        t = ((tl.load(x + at, inside, 0).to(COMPUTED) - shift) - centre) * root
        z = _affine(t, weight, bias, value, size, COMPUTED)
        if residual is not None:
            z += tl.load(residual + at, inside, 0).to(COMPUTED)
        tl.store(output + at, narrowed(activated(z, low, KIND), output), inside)


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
    positions,
    per_program,
    size,
    sample_stride,
    position_stride,
    value_stride,
    eps: tl.float64,
    slope: tl.float64,
    KIND: tl.constexpr,
    CENTRED: tl.constexpr,
    COMPUTED: tl.constexpr,
    POSITIONS: tl.constexpr,
    VALUES: tl.constexpr,
    WHOLE: tl.constexpr,
):
    """The gradients of the maps, and the sums over a program's positions of those of γ and β.

    Args:
        of_weight: `(programs, size)` or None.
        of_bias: likewise; there are both or none.
        per_program: how many positions of a sample a program goes through.
        WHOLE: whether all values of a position are in one tile.
    """
    blocks = tl.cdiv(positions, per_program)
    program = tl.program_id(0)
    first = (program // blocks).to(tl.int64) * sample_stride
    begin = program % blocks * per_program
    end = tl.minimum(begin + per_program, positions)
    low = tl.full([1, 1], slope, COMPUTED)
    beta = tl.zeros([1, VALUES], COMPUTED)
    gamma = tl.zeros([1, VALUES], COMPUTED)
    for top in range(begin, end, POSITIONS):
        position = top + tl.arange(0, POSITIONS)[:, None]
        exists = position < end
        place = first + position.to(tl.int64) * position_stride
        shift, centre, root = _standard(
            x + place, exists, size, value_stride, eps, CENTRED, COMPUTED, POSITIONS, VALUES
        )
        plain = tl.zeros([POSITIONS, 1], COMPUTED)
        product = tl.zeros([POSITIONS, 1], COMPUTED)
        for start in range(0, size, VALUES):
            value = start + tl.arange(0, VALUES)[None, :]
            inside = exists & (value < size)
            t, dz = _before_activation(
                upstream, x, residual, weight, bias, place + value.to(tl.int64) * value_stride,
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
                    at = program.to(tl.int64) * size + value
                    _add(of_bias + at, of_beta, value < size, top > begin)
                    _add(of_weight + at, of_gamma, value < size, top > begin)
                    # What was stored is read by other threads for the next positions.
                    tl.debug_barrier()
        mean = plain / size if CENTRED else tl.zeros([POSITIONS, 1], COMPUTED)
        product = product / size
        for start in range(0, size, VALUES):
            value = start + tl.arange(0, VALUES)[None, :]
            inside = exists & (value < size)
            at = place + value.to(tl.int64) * value_stride
            t, dz = _before_activation(
                upstream, x, residual, weight, bias, at,
                value, size, inside, shift, centre, root, low, KIND, COMPUTED,
            )  # fmt: skip
            if of_residual is not None:
                tl.store(of_residual + at, narrowed(dz, of_residual), inside)
            if of_input is not None:
                g = _weighted(dz, weight, value, size, COMPUTED)
                dx = root * (g - mean - t * product)
                tl.store(of_input + at, narrowed(dx, of_input), inside)
    if WHOLE and of_weight is not None:
        value = tl.arange(0, VALUES)[None, :]
        at = program.to(tl.int64) * size + value
        tl.store(of_bias + at, beta, value < size)
        tl.store(of_weight + at, gamma, value < size)


@triton.jit
def together(parts, output, programs, size, PROGRAMS: tl.constexpr, VALUES: tl.constexpr):
    """The sum of what each program found, `(programs, size)` → `(size)`."""
    value = tl.program_id(0) * VALUES + tl.arange(0, VALUES)[None, :]
    total = tl.zeros([1, VALUES], tl.float64)
    for start in range(0, programs, PROGRAMS):
        program = start + tl.arange(0, PROGRAMS)[:, None]
        inside = (program < programs) & (value < size)
        part = tl.load(parts + program.to(tl.int64) * size + value, inside, 0)
        total += tl.sum(part.to(tl.float64), 0, keep_dims=True)
    tl.store(output + value, narrowed(total, output), value < size)


@triton.jit
def _standard(
    x,
    exists,
    size,
    value_stride,
    eps,
    CENTRED: tl.constexpr,
    COMPUTED: tl.constexpr,
    POSITIONS: tl.constexpr,
    VALUES: tl.constexpr,
):
    """t = (x − shift − centre) · root, given where each position's values begin.

    In two steps, so that the rounding of a large mean is not lost.
    """
    of_lanes = tl.zeros([POSITIONS, VALUES], COMPUTED)
    squares = tl.zeros([POSITIONS, VALUES], COMPUTED)
    if CENTRED:
        shift = tl.load(x, exists, 0).to(COMPUTED)
        turn = tl.full([1, 1], 0, COMPUTED)
        for start in range(0, size, VALUES):
            value = start + tl.arange(0, VALUES)[None, :]
            inside = exists & (value < size)
            place = x + value.to(tl.int64) * value_stride
            turn += 1
            of_lanes, squares = welford(
                tl.load(place, inside, 0).to(COMPUTED) - shift, of_lanes, squares, inside, turn
            )
        centre, squared = lanes_together(of_lanes, squares, size, 1, VALUES)
    else:
        for start in range(0, size, VALUES):
            value = start + tl.arange(0, VALUES)[None, :]
            inside = exists & (value < size)
            here = tl.load(x + value.to(tl.int64) * value_stride, inside, 0).to(COMPUTED)
            squares += here * here
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
def _before_activation(
    upstream,
    x,
    residual,
    weight,
    bias,
    at,
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
    t = ((tl.load(x + at, inside, 0).to(COMPUTED) - shift) - centre) * root
    dy = tl.load(upstream + at, inside, 0).to(COMPUTED)
    z = _affine(t, weight, bias, value, size, COMPUTED)
    if residual is not None:
        z += tl.load(residual + at, inside, 0).to(COMPUTED)
    return t, differentiated(dy, z, slope, KIND)


@triton.jit
def _add(place, value, inside, is_set):
    """Adds to what is there, where anything has been set."""
    before = tl.load(place, tl.where(inside, is_set, False), 0)
    tl.store(place, before + value, inside)
