"""Histogram: the outline of each series, x holding the middle of each bin."""

from __future__ import annotations

from itertools import pairwise

from matplotlib.axes import Axes

from normkit.report.figures.view import Row, View


def draw(axes: Axes, rows: list[Row], view: View) -> None:
    """Draw the outlines of one panel."""
    for series, group in view.by_series(rows).items():
        style = view.style(series)
        bins = []
        for row in group:
            x, y = view.position(row), view.number(row, view.y["field"], view.y)
            if x is None or y is None:
                view.miss(row, "not_drawn")
            else:
                bins.append((x, y))
        if not bins:
            continue
        bins.sort()
        heights = [height for _, height in bins]
        edges = bin_edges([middle for middle, _ in bins])
        axes.stairs(heights, edges, color=style.light, fill=True, alpha=0.14, linewidth=0)
        axes.stairs(heights, edges, color=style.light, linewidth=1.6)


def bin_edges(middles: list[float]) -> list[float]:
    """The edges of bins with these middles, half-way between neighbours.

    >>> bin_edges([0.5, 1.5, 2.5])
    [0.0, 1.0, 2.0, 3.0]
    """
    if len(middles) == 1:
        return [middles[0] - 0.5, middles[0] + 0.5]
    inner = [(a + b) / 2 for a, b in pairwise(middles)]
    return [2 * middles[0] - inner[0], *inner, 2 * middles[-1] - inner[-1]]
