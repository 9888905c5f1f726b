"""Layer and root mean square normalization over the values of each position, launched."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from normkit.kernels.cuda import checks, positions, tiles, values
from normkit.kernels.cuda.matrix import computed, dtype_of
from normkit.kernels.library import Gradients, empty_gradients


def channel_norm(
    input: Tensor,  # noqa: A002
    residual: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    size: int,
    trailing: bool,
    centred: bool,
    eps: float,
    act: int,
    slope: float,
) -> Tensor:
    """Over the channels of `(N, C, *)`, or the last `size` values together."""
    _check(input, residual, weight, bias, size, trailing)
    places = _Places.of(input, size, trailing)
    output = torch.empty_like(input)
    tile = places.tile(input)
    positions.normalise_positions[(places.samples * -(-places.positions // tile.rows),)](
        input,
        residual,
        output,
        weight,
        bias,
        places.positions,
        size,
        eps,
        slope,
        KIND=act,
        CENTRED=centred,
        COMPUTED=computed(input),
        **places.options(tile),
    )
    return output


def channel_norm_backward(
    upstream: Tensor,
    input: Tensor,  # noqa: A002
    residual: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    size: int,
    trailing: bool,
    centred: bool,
    eps: float,
    act: int,
    slope: float,
    wants_input: bool,
    wants_residual: bool,
) -> Gradients:
    """Of `channel_norm`, which keeps no statistics."""
    x = input
    _check(x, residual, weight, bias, size, trailing)
    checks.check_asks_residual(wants_residual, act)
    places = _Places.of(x, size, trailing)
    gradient = empty_gradients(x, weight, bias, wants_input, wants_residual)
    of_input, of_weight, of_bias, of_residual = gradient
    tile = places.tile(x, backward=True)
    each = tiles.parts(places.positions, tile.rows, places.samples, 1, x.device)
    programs = places.samples * each.number
    whole, wants_sums = size <= tile.columns, weight is not None or bias is not None
    # One after the other: a program that went through long positions would need as much room for
    # their sums as for the map.
    apart = wants_sums and places.adjacent and not whole
    sums = _room(x, programs, size) if wants_sums and not apart else (None, None)
    standards = x.new_empty(places.positions, 3, dtype=dtype_of(x)) if apart else None
    maps = (checks.beside(x, upstream), x, residual, weight, bias)
    options: dict[str, Any] = {"KIND": act, "COMPUTED": computed(x)}
    positions.differentiate_positions[(programs,)](
        *maps,
        of_input if wants_input else None,
        of_residual if wants_residual else None,
        *sums,
        standards,
        places.positions,
        each.length,
        size,
        eps,
        slope,
        CENTRED=centred,
        WHOLE=whole,
        **options,
        **places.options(tile),
    )
    if apart:
        tile = tiles.tile(size, x.element_size(), planes=False)
        blocks = -(-size // tile.columns)
        each = tiles.parts(places.positions, tile.rows, blocks, size, x.device)
        programs = each.number
        sums = _room(x, programs, size)
        values.sums_of_values[(blocks, programs)](
            *maps,
            standards,
            *sums,
            places.positions,
            each.length,
            size,
            slope,
            **options,
            ALIGNED=tiles.aligned(size),
            ROWS=tile.rows,
            COLUMNS=tile.columns,
            num_warps=tile.warps,
            **tiles.COMPILED,
        )
    results = tiles.tile_of_results(programs)
    for vector, found, into in ((weight, sums[0], of_weight), (bias, sums[1], of_bias)):
        if vector is not None:
            positions.together[(-(-size // results.columns),)](
                found,
                into,
                programs,
                size,
                PROGRAMS=results.rows,
                VALUES=results.columns,
                num_warps=results.warps,
                **tiles.COMPILED,
            )
    return gradient


def _room(x: Tensor, programs: int, size: int) -> tuple[Tensor, Tensor]:
    """For the sums that each program finds."""
    of_weight, of_bias = (x.new_empty(programs, size, dtype=dtype_of(x)) for _ in range(2))
    return of_weight, of_bias


class _Places(NamedTuple):
    """Where the positions of a map are, and the values of each.

    Attributes:
        samples: one, where the values of each position are adjacent.
        positions: of a sample.
        size: how many values each has.
        adjacent: whether its values are; otherwise the positions of each value are.
    """

    samples: int
    positions: int
    size: int
    adjacent: bool

    @classmethod
    def of(cls, x: Tensor, size: int, trailing: bool) -> _Places:
        count = x.numel() // size
        if trailing or not x.is_contiguous() or count == len(x):
            return cls(1, count, size, True)
        return cls(len(x), count // len(x), size, False)

    @property
    def run(self) -> int:
        """How many values are adjacent."""
        return self.size if self.adjacent else self.positions

    def tile(self, x: Tensor, *, backward: bool = False) -> tiles.Tile:
        """As is good for where they are, and for the precision."""
        positions = None if self.adjacent else self.positions
        return tiles.tile_of_positions(self.size, x.element_size(), positions, backward=backward)

    def options(self, tile: tiles.Tile) -> dict[str, Any]:
        """What the kernels are compiled for."""
        return {
            "ADJACENT": self.adjacent,
            "ALIGNED": tiles.aligned(self.run),
            "POSITIONS": tile.rows,
            "VALUES": tile.columns,
            "num_warps": tile.warps,
            **tiles.COMPILED,
        }


def _check(
    x: Tensor,
    residual: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    size: int,
    trailing: bool,
) -> None:
    checks.check_map(x)
    checks.check_like(x, residual)
    checks.check_vectors(x, size, weight, bias)
    checks.check_places(x, size, trailing)
