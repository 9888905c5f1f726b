"""On which side of its bend an activation with two slopes was: one bit per value.

Eight adjacent values go to the bits of a byte, those of each row of the matrix to bytes of its own.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def packed(steep, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """The bytes of a tile: `(ROWS, COLUMNS)` → `(ROWS, COLUMNS / 8)`."""
    bits = tl.reshape(steep.to(tl.int32), [ROWS, COLUMNS // 8, 8])
    return tl.sum(bits << tl.arange(0, 8)[None, None, :], 2).to(tl.uint8)


@triton.jit
def unpacked(words, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Whether the bit of each value of a tile is set."""
    bits = (words.to(tl.int32)[:, :, None] >> tl.arange(0, 8)[None, None, :]) & 1
    return tl.reshape(bits, [ROWS, COLUMNS]) != 0
