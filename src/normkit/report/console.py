"""Plain text for a terminal: a console that writes into a string, and what is put into it."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterable

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text as Line

LEAST = 44
"""Narrower than this, in columns, no table can be read."""


def width_or_terminals(width: int | None) -> int:
    """The width asked for, or the terminal's.

    Raises:
        ValueError: if it is too small for any table.
    """
    if width is None:
        return max(LEAST, shutil.get_terminal_size((100, 24)).columns)
    if width < LEAST:
        raise ValueError(f"width must be at least {LEAST} columns, got {width}")
    return width


def printed(blocks: Iterable[RenderableType], width: int) -> str:
    """Lines and tables as plain text, without colour or control characters."""
    file = io.StringIO()
    console = Console(
        file=file,
        width=width,
        color_system=None,
        force_terminal=False,
        force_jupyter=False,
        highlight=False,
        markup=False,
        emoji=False,
        _environ={},
    )
    for block in blocks:
        console.print(block)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def titled_table(title: str) -> Table:
    """An empty table with its title above it on the left."""
    return Table(
        title=title,
        title_justify="left",
        title_style="",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        show_edge=False,
    )


def clean(words: str) -> Line:
    """Text from a document, without control characters that a terminal would obey."""
    kept = (sign for sign in words if sign in "\n\u202f" or sign.isprintable())
    return Line("".join(kept))
