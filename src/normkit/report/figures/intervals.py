"""Intervals: each value as a point with its interval, category below category."""

from __future__ import annotations

from matplotlib.axes import Axes

from normkit.report.figures.points import edge, mark, offset
from normkit.report.figures.view import Row, View


def draw(axes: Axes, rows: list[Row], view: View) -> None:
    """Draw the intervals of one panel.

    An end that is null is open: a dashed line to the edge. A value that is null is an open marker
    at the edge.
    """
    for series, group in view.by_series(rows).items():
        style = view.style(series)
        for row in group:
            place = view.position(row)
            if place is None:
                view.miss(row, "not_drawn")
                continue
            at = place + offset(view, series)
            value = view.number(row, view.y["field"], view.y)
            _bar(axes, row, view, at, style.light)
            if value is None:
                view.miss(row, "open_marker")
                mark(axes, view, at, edge(view), style.marker, style.light, hollow=True, size=7)
            else:
                mark(axes, view, at, value, style.marker, style.light, size=7)


def _bar(axes: Axes, row: Row, view: View, at: float, colour: str) -> None:
    if view.low is None or view.high is None or view.y_limits is None:
        return
    low, high = (view.number(row, field, view.y) for field in (view.low, view.high))
    if low is None and high is None:
        return
    first, last = view.y_limits[0] if low is None else low, edge(view) if high is None else high
    line = (0, (2.5, 2.0)) if low is None or high is None else "solid"
    along, across = [first, last], [at, at]
    xs, ys = (along, across) if view.sideways else (across, along)
    axes.plot(xs, ys, color=colour, linewidth=2.2, linestyle=line, solid_capstyle="round")
