"""A map as a matrix in memory, and how the kernels are launched over it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
import triton.language as tl
from torch import Tensor

from normkit.kernels.cuda import tiles


class Matrix(NamedTuple):
    """`(N, C, *)` as it lies in memory, and whose statistics are kept apart.

    Attributes:
        planes: whether the rows are planes; otherwise the columns are channels.
        samples: how many have statistics, or partial results, of their own.
        rows: of a sample; where they are planes, of all.
        width: of a row.
        channels: C.
    """

    planes: bool
    samples: int
    rows: int
    width: int
    channels: int

    @classmethod
    def of(cls, x: Tensor, over_batch: bool) -> Matrix:
        """The matrix of a map, for statistics over the batch or over samples.

        >>> Matrix.of(torch.empty(2, 3, 4, 5), over_batch=True)
        Matrix(planes=True, samples=2, rows=6, width=20, channels=3)
        >>> Matrix.of(torch.empty(2, 3), over_batch=True)
        Matrix(planes=False, samples=1, rows=2, width=3, channels=3)
        """
        samples, channels, *rest = x.shape
        positions = math.prod(rest)
        if x.is_contiguous() and positions > 1:
            return cls(True, samples, samples * channels, positions, channels)
        if over_batch:
            samples, positions = 1, samples * positions
        return cls(False, samples, positions, channels, channels)


class Work(NamedTuple):
    """A matrix, and how it is divided among programs.

    Attributes:
        matrix: what is gone over.
        tile: what a program holds at once.
        parts: of what it goes through: the positions of planes, or rows.
        computed: the precision that is computed in.
    """

    matrix: Matrix
    tile: tiles.Tile
    parts: tiles.Parts
    computed: tl.dtype

    @classmethod
    def of(cls, x: Tensor, matrix: Matrix) -> Work:
        """As is good for the shape, the precision and the device."""
        tile = tiles.tile(matrix.width, x.element_size(), matrix.planes)
        if matrix.planes:
            length, step, others, width = matrix.width, tile.columns, matrix.rows // tile.rows, 1
        else:
            columns = -(-matrix.width // tile.columns)
            length, step, others = matrix.rows, tile.rows, matrix.samples * columns
            width = matrix.width
        parts = tiles.parts(length, step, max(others, 1), width, x.device)
        return cls(matrix, tile, parts, computed(x))

    @property
    def grid(self) -> tuple[int, int]:
        matrix, tile = self.matrix, self.tile
        if matrix.planes:
            return -(-matrix.rows // tile.rows), self.parts.number
        return matrix.samples * self.parts.number, -(-matrix.width // tile.columns)

    @property
    def units(self) -> int:
        """Rows of partial results of a sample."""
        return self.parts.number

    @property
    def length(self) -> int:
        """Of what is divided into parts."""
        return self.matrix.width if self.matrix.planes else self.matrix.rows

    def shape(self) -> tuple[int, ...]:
        """What the kernels are told of it: rows, width, channels, parts, and how long these are."""
        matrix = self.matrix
        return matrix.rows, matrix.width, matrix.channels, *self.parts

    def options(self) -> dict[str, Any]:
        """What they are compiled for."""
        return {
            "COMPUTED": self.computed,
            "PLANES": self.matrix.planes,
            "ROWS": self.tile.rows,
            "COLUMNS": self.tile.columns,
            "ALIGNED": tiles.aligned(self.matrix.width),
            "num_warps": self.tile.warps,
            **tiles.COMPILED,
        }

    def of_parts(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """Room for partial results, `(samples · units, C)`."""
        return x.new_empty(self.matrix.samples * self.units, self.matrix.channels, dtype=dtype)


def computed(x: Tensor) -> tl.dtype:
    """The precision that is computed in."""
    return tl.float64 if x.dtype is torch.float64 else tl.float32


def dtype_of(x: Tensor) -> torch.dtype:
    """The same, as PyTorch calls it."""
    return torch.float64 if x.dtype is torch.float64 else torch.float32
