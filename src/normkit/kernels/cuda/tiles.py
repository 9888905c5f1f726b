"""How the work is cut: tiles, warps and parts, by shape and precision.

The same shape on the same device is always cut in the same way, and sums are put together in the
order of the parts: results are bitwise repeatable.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch


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


_VALUES = {2: 4096, 4: 2048, 8: 1024}
"""Values of a tile by the bytes of one: 16 bytes a thread at a time, four times in 4 warps."""
_WARPS = 4
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
    (Tile(rows=64, columns=64, warps=4), Tile(rows=64, columns=64, warps=4))
    """
    widest = _WIDEST["planes" if planes else "columns"]
    columns = min(max(power_of_two(width), 8), widest)
    return Tile(_VALUES[itemsize] // columns, columns, _WARPS)


def tile_of_positions(size: int, itemsize: int, adjacent: bool) -> Tile:
    """Positions and values of each, for norms over `size` values, which are adjacent or not.

    >>> tile_of_positions(256, 2, adjacent=True), tile_of_positions(256, 2, adjacent=False)
    (Tile(rows=16, columns=256, warps=4), Tile(rows=64, columns=64, warps=4))
    """
    values = _VALUES[itemsize]
    columns = min(max(power_of_two(size), 8), values if adjacent else values // 64)
    return Tile(values // columns, columns, _WARPS)


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
