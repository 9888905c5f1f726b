"""Ridges: one histogram above the other, each as high as its highest bin."""

from __future__ import annotations

from matplotlib.axes import Axes

from normkit.report.figures.histogram import bin_edges
from normkit.report.figures.view import Row, View, name_of

HEIGHT = 0.92
"""Of the highest bin, in lanes; ridges that overlapped would hide each other."""


def draw(axes: Axes, rows: list[Row], view: View) -> None:
    """Draw one panel: categories of y from top to bottom, a ridge in each."""
    shade = view.figure.get("value")
    if shade is None:
        return
    for series, group in view.by_series(rows).items():
        for lane, name in enumerate(view.lanes):
            bins = [
                (view.number(row, view.x["field"], view.x), row[shade["field"]])
                for row in group
                if name_of(row[view.y["field"]]) == name
            ]
            known = sorted(
                (x, float(height))
                for x, height in bins
                if x is not None and isinstance(height, int | float)
            )
            if known:
                _ridge(axes, known, lane, view.style(series).light)


def _ridge(axes: Axes, bins: list[tuple[float, float]], lane: int, colour: str) -> None:
    highest = max(height for _, height in bins) or 1.0
    # Lanes are numbered downwards, so what is high lies above its lane's line.
    floor = lane + 0.5
    tops = [floor - HEIGHT * height / highest for _, height in bins]
    edges = bin_edges([middle for middle, _ in bins])
    axes.stairs(tops, edges, baseline=floor, color=colour, fill=True, alpha=0.22, linewidth=0)
    axes.stairs(tops, edges, baseline=floor, color=colour, linewidth=1.2)
