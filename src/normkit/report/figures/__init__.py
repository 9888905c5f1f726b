"""Figures as inline SVG: numbers and names inside, every other word in the page around them."""

from __future__ import annotations

from normkit.report.figures.draw import Drawing, Note, Panel, draw
from normkit.report.figures.style import Styles

__all__ = ["Drawing", "Note", "Panel", "Styles", "draw"]
