"""How much memory a worker process uses, and how much it may."""

from __future__ import annotations

import psutil

GROWN = 0.5
"""Share of its limit by which a worker may have grown since its start; beyond it is replaced."""


def available() -> int:
    """Bytes that could be used now without another program's having to be moved out."""
    return int(psutil.virtual_memory().available)


def used_by(process: int) -> int:
    """Bytes that a process holds for itself alone; zero for one that has ended.

    The data set's file, which all workers map, is not among them.
    """
    try:
        info = psutil.Process(process).memory_info()
    except psutil.Error:
        return 0
    return int(info.rss - getattr(info, "shared", 0))


def told(size: int) -> str:
    """Bytes in words.

    >>> told(3 * 2**29), told(7 * 2**20)
    ('1.5 GiB', '7 MiB')
    """
    gibibytes = size / 2**30
    return f"{gibibytes:.1f} GiB" if gibibytes >= 1 else f"{size / 2**20:.0f} MiB"
