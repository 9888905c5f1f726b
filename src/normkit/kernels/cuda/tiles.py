"""How the work is cut: tiles, warps and parts, by shape and precision.

The same shape on the same device is always cut in the same way, and sums are put together in the
order of the parts: results are bitwise repeatable.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch

COMPILED = {"enable_fp_fusion": True}
"""Of every kernel: x · y + z is one instruction. Told, since Triton's own default will change."""


class Tile(NamedTuple):
    """What a program holds at once.

    Attributes:
        rows: a power of two.
        columns: a power of two, at least 8, the values whose signs share a byte.
        warps: how many threads of 32 it is divided among.
    """

    rows: int
    columns: int
    warps: int


class Parts(NamedTuple):
    """How what a program goes through is divided.

    Attributes:
        number: of parts.
        length: of each but the last, a whole number of tiles.
    """

    number: int
    length: int


_WARPS = 4
_LOAD = 16
"""Bytes that a thread loads at once, at most."""
_MANY, _FEW = 16, 8
"""Values of a tile for each thread. With twice as many the registers do not hold the sums of a
backward; where a load brings less than 8 bytes, each value takes an address of its own, and a value
of 8 bytes takes two registers."""
_WIDEST = {"columns": 64, "planes": 1024}
"""Columns of a tile. Of a channels-last map, 128 bytes of bfloat16, since a statistic is a column's
and few columns make many programs; a plane's row is read as long as it is."""
_PROGRAMS = 8
"""Programs on each multiprocessor, if the map is large enough."""
_MOST = 2**30
"""Values of a part, which are counted in 32 bits."""


def tile(width: int, itemsize: int, planes: bool) -> Tile:
    """For rows of so many values of so many bytes.

    >>> tile(256, 2, planes=False), tile(49, 2, planes=True)
    (Tile(rows=32, columns=64, warps=4), Tile(rows=16, columns=64, warps=4))
    """
    widest = _WIDEST["planes" if planes else "columns"]
    columns = min(max(power_of_two(width), 8), widest)
    return Tile(_values(width, itemsize) // columns, columns, _WARPS)


def tile_of_positions(
    size: int, itemsize: int, positions: int | None, *, backward: bool = False
) -> Tile:
    """Positions and values of each, for norms over `size` values.

    These are adjacent, or the positions are, as many as are told. A position of more adjacent
    values than a tile's takes two tiles' warps, so as to be gone through at once. A backward holds
    more of each value, for the sums of positions and of values: it takes twice the warps too.

    >>> tile_of_positions(256, 2, positions=None), tile_of_positions(256, 2, positions=784)
    (Tile(rows=8, columns=256, warps=4), Tile(rows=64, columns=32, warps=4))
    >>> tile_of_positions(4096, 2, positions=None), tile_of_positions(9, 4, None, backward=True)
    (Tile(rows=1, columns=4096, warps=8), Tile(rows=64, columns=16, warps=8))
    """
    values = _values(size if positions is None else positions, itemsize)
    widest = 2 * values if positions is None else values // 64
    columns = min(max(power_of_two(size), 8), widest)
    warps = _WARPS * max(columns // values, 1)
    return Tile(max(values // columns, 1), columns, 2 * warps if backward else warps)


def _values(run: int, itemsize: int) -> int:
    """Values of a tile of a map whose rows are so long."""
    loads = aligned(run) * itemsize
    return 32 * _WARPS * (_MANY if loads >= _LOAD // 2 and itemsize < 8 else _FEW)


def aligned(run: int) -> int:
    """The power of two that divides the length of each row, of which no more than 16 matters.

    A kernel that is compiled for it loads so many values at once, if they are in 16 bytes.

    >>> [aligned(run) for run in (49, 196, 784)]
    [1, 4, 16]
    """
    return min(run & -run, 16)


def tile_of_results(count: int) -> Tile:
    """So many partial results, as rows, of several statistics that are put together.

    The more there are, the taller: a program goes through them in few steps, which wait for memory
    each, and there are more programs.

    >>> tile_of_results(16), tile_of_results(1000)
    (Tile(rows=32, columns=32, warps=4), Tile(rows=256, columns=8, warps=8))
    """
    rows = min(max(power_of_two(count), 32), 256)
    columns = max(1024 // rows, 8)
    return Tile(rows, columns, rows * columns // (32 * _FEW))


def parts(length: int, step: int, others: int, width: int, device: torch.device) -> Parts:
    """Of what is `length` long and gone through in steps, beside so many other programs.

    >>> parts(1000, 64, 1, 8, torch.device("cpu"))
    Parts(number=16, length=64)
    """
    steps = -(-length // step)
    wanted = max(_PROGRAMS * multiprocessors(device) // others, 1, -(-length * width // _MOST))
    each = -(-steps // min(wanted, steps)) * step
    return Parts(-(-length // each), each)


@lru_cache
def multiprocessors(device: torch.device) -> int:
    """Of a GPU; in Triton's interpreter, as if there were two."""
    if device.type != "cuda":
        return 2
    return int(torch.cuda.get_device_properties(device).multi_processor_count)


def power_of_two(number: int) -> int:
    """The smallest that is at least as large.

    >>> [power_of_two(number) for number in (1, 3, 64, 65)]
    [1, 4, 64, 128]
    """
    return 1 << (number - 1).bit_length()
