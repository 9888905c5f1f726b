"""Layer and root mean square normalization over the values of each position, launched."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from normkit.kernels.cuda import checks, positions, tiles
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
    sums = (
        (None, None)
        if weight is None and bias is None
        else tuple(x.new_empty(programs, size, dtype=dtype_of(x)) for _ in range(2))
    )
    positions.differentiate_positions[(programs,)](
        checks.beside(x, upstream),
        x,
        residual,
        weight,
        bias,
        of_input if wants_input else None,
        of_residual if wants_residual else None,
        *sums,
        places.positions,
        each.length,
        size,
        eps,
        slope,
        KIND=act,
        CENTRED=centred,
        COMPUTED=computed(x),
        WHOLE=size <= tile.columns,
        **places.options(tile),
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
