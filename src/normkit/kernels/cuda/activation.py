"""The activations that a kernel applies in its own pass, and their derivatives."""

from __future__ import annotations

import triton
import triton.language as tl

from normkit.kernels import activation

NONE = tl.constexpr(activation.NONE)
RELU = tl.constexpr(activation.RELU)
LEAKY_RELU = tl.constexpr(activation.LEAKY_RELU)
RELU6 = tl.constexpr(activation.RELU6)
SILU = tl.constexpr(activation.SILU)
GELU = tl.constexpr(activation.GELU)
HARDSWISH = tl.constexpr(activation.HARDSWISH)

# The comparisons are the ones that let a NaN through, as PyTorch's do.


@triton.jit
def activated(z, slope, KIND: tl.constexpr):
    """act(z)."""
    if KIND == RELU:
        return tl.where(z <= 0, 0.0, z)
    elif KIND == LEAKY_RELU:
        return tl.where(z > 0, z, z * slope)
    elif KIND == RELU6:
        return _relu6(z)
    elif KIND == SILU:
        return z * _sigmoid(z)
    elif KIND == GELU:
        return z * _normal_distribution(z)
    elif KIND == HARDSWISH:
        return z * _relu6(z + 3) * (1.0 / 6)
    else:
        return z


@triton.jit
def differentiated(dy, z, slope, KIND: tl.constexpr):
    """dy · act′(z)."""
    if KIND == SILU:
        s = _sigmoid(z)
        return dy * (s * (1 + z * (1 - s)))
    elif KIND == GELU:
        density = 0.3989422804014327 * tl.exp(-0.5 * z * z)
        return dy * (_normal_distribution(z) + z * density)
    elif KIND == HARDSWISH:
        inside = z * (1.0 / 3) + 0.5
        return dy * tl.where(z < -3, 0.0, tl.where(z <= 3, inside, 1.0))
    elif KIND == NONE:
        return dy
    else:
        return by_side(dy, is_steep(z, KIND), slope, KIND)


@triton.jit
def is_steep(z, KIND: tl.constexpr):
    """Whether the derivative is one, of an activation with two slopes."""
    if KIND == LEAKY_RELU:
        return z > 0
    elif KIND == RELU6:
        return (z > 0) & (z < 6)
    else:
        return (z <= 0) == 0


@triton.jit
def by_side(dy, steep, slope, KIND: tl.constexpr):
    """dy · act′, given on which side of the bend each value was.

    Not a product alone: an upstream gradient may be infinite where the slope is zero.
    """
    if KIND == LEAKY_RELU:
        return tl.where(steep, dy, tl.where(slope == 0, 0.0, dy * slope))
    else:
        return tl.where(steep, dy, 0.0)


@triton.jit
def _relu6(z):
    positive = tl.where(z <= 0, 0.0, z)
    return tl.where(positive >= 6, 6.0, positive)


@triton.jit
def _sigmoid(z):
    return 1 / (1 + tl.exp(-z))


@triton.jit
def _normal_distribution(z):
    return 0.5 * (1 + tl.erf(z * 0.7071067811865476))
