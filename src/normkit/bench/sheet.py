"""Drawings for a page put together into one SVG file that stands alone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import escape

from normkit.report.figures.style import CHROME, INK, SURFACE, all_styles

_MARGIN = 18.0
_FONT = "DejaVu Sans, Helvetica, Arial, sans-serif"


@dataclass(frozen=True)
class Piece:
    """An `<svg>` element, or a text, and where its upper left corner is."""

    left: float
    top: float
    width: float
    height: float
    svg: str


def line(left: float, top: float, words: str, bold: bool = False) -> Piece:
    """A line of text; `top` is its base line."""
    weight = ' font-weight="bold"' if bold else ""
    return Piece(left, top, 0, 0, f'<text x="{left:g}" y="{top:g}"{weight}>{escape(words)}</text>')


def sheet(pieces: Iterable[Piece], width: float, height: float, name: str) -> str:
    """One document of all of them.

    A page's colours become those of its light scheme, since a file has no page around it.

    Args:
        pieces: what is on it.
        width: of what is on it, without the margin.
        height: the same.
        name: what it shows, for those who hear it.
    """
    body = "\n".join(_placed(piece) for piece in pieces)
    whole = f"{-_MARGIN:g} {-_MARGIN:g} {width + 2 * _MARGIN:g} {height + 2 * _MARGIN:g}"
    left, top, right, bottom = whole.split()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{whole}" width="{right}" '
        f'height="{bottom}" role="img" color="{INK}" fill="{INK}" font-family="{_FONT}" '
        f'font-size="11.5">\n<title>{escape(name)}</title>\n'
        f'<rect x="{left}" y="{top}" width="{right}" height="{bottom}" fill="{SURFACE}"/>\n'
        f"{_in_light_colours(body)}\n</svg>\n"
    )


def _placed(piece: Piece) -> str:
    if not piece.svg.startswith("<svg"):
        return piece.svg
    place = (
        f'x="{piece.left:g}" y="{piece.top:g}" width="{piece.width:g}" height="{piece.height:g}"'
    )
    return f"<svg {place}{piece.svg.removeprefix('<svg')}"


def _in_light_colours(svg: str) -> str:
    colours = {f"var(--{style.variable})": style.light for style in all_styles()}
    colours |= {css: colour for colour, css in CHROME.items()}
    return re.sub(r"var\(--[\w-]+\)", lambda css: colours[css[0]], svg)
