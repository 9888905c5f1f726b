"""Points: one dot for each seed, and a short line at their mean.

A seed without a finite value is an open marker at the edge. A group that has one gets no mean: the
mean of those that finished would flatter it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import pairwise

from matplotlib.axes import Axes

from normkit.report.figures.style import SURFACE
from normkit.report.figures.view import Row, View


def draw(axes: Axes, rows: list[Row], view: View) -> None:
    """Draw the dots of one panel."""
    for series, group in view.by_series(rows).items():
        places: dict[float, list[Row]] = defaultdict(list)
        for row in group:
            place = view.position(row)
            if place is None:
                view.miss(row, "not_drawn")
            else:
                places[place].append(row)
        for place, at in places.items():
            _draw_group(axes, place, at, view, series)


def _draw_group(axes: Axes, place: float, rows: list[Row], view: View, series: str) -> None:
    style = view.style(series)
    room = lane(view)
    centre = beside(view, place, series)
    values = [view.number(row, view.y["field"], view.y) for row in rows]
    for index, (row, value) in enumerate(zip(rows, values, strict=True)):
        # Golden-section steps spread the dots evenly however many there are.
        spread = room * 0.55 * ((index * 0.618) % 1 - 0.5) if view.sideways else 0.0
        if value is None:
            view.miss(row, "open_marker")
            mark(axes, view, centre + spread, edge(view), style.marker, style.light, hollow=True)
        else:
            mark(axes, view, centre + spread, value, style.marker, style.light)
    finite = [value for value in values if value is not None]
    if len(finite) > 1 and len(finite) == len(values):
        mean = _mean(finite, view)
        if view.sideways:
            ends = [centre - 0.4 * room, centre + 0.4 * room]
            axes.plot([mean, mean], ends, color=style.light, linewidth=2.4)
        else:
            axes.plot([centre], [mean], marker="_", markersize=11, markeredgewidth=2.2,
                      color=style.light)  # fmt: skip


def _mean(values: list[float], view: View) -> float:
    """The mean as the eye takes it: on a log scale, the geometric one."""
    if view.y["scale"] == "log":
        return math.exp(math.fsum(map(math.log, values)) / len(values))
    return math.fsum(values) / len(values)


def distinct_places(view: View) -> list[float]:
    """The different positions along x, in order."""
    places = {view.position(row) for row in view.rows}
    return sorted(place for place in places if place is not None)


def beside(view: View, place: float, series: str) -> float:
    """Where the marks of a series stand: beside those of the others at the same place."""
    places = distinct_places(view)
    if view.categories or len(view.series) < 2 or len(places) < 2:
        return place + offset(view, series)
    log = view.x["scale"] == "log"
    scaled = [math.log(each) for each in places] if log else places
    room = min(0.6 * min(b - a for a, b in pairwise(scaled)), 0.2 * (scaled[-1] - scaled[0]))
    step = room * (view.series.index(series) - (len(view.series) - 1) / 2) / len(view.series)
    return place * math.exp(step) if log else place + step


def lane(view: View) -> float:
    """The share of a category's height that one series has to itself."""
    return 0.8 if separate(view) else 0.8 / max(1, len(view.series))


def offset(view: View, series: str) -> float:
    """How far a series lies from the middle of its category, so that series do not overlap."""
    if not view.sideways or separate(view) or not series:
        return 0.0
    return (view.series.index(series) - (len(view.series) - 1) / 2) * lane(view)


def separate(view: View) -> bool:
    """Whether each category holds one series only, as when the categories are the series."""
    return view.figure["series"] in (None, view.x["field"], view.facet)


def edge(view: View) -> float:
    """Where the values that were never reached are marked."""
    low, high = view.y_limits or (0.0, 1.0)
    if view.y["scale"] == "log":
        return float(high * (high / low) ** 0.06)
    return high + 0.06 * (high - low)


def mark(
    axes: Axes,
    view: View,
    place: float,
    value: float,
    marker: str,
    colour: str,
    hollow: bool = False,
    size: float = 5.5,
) -> None:
    """One marker; along the category in `place`, along the measured axis in `value`."""
    x, y = (value, place) if view.sideways else (place, value)
    axes.plot(
        [x],
        [y],
        linestyle="none",
        marker=marker,
        # Crosses have less ink than filled marks of the same width.
        markersize=1.3 * size if marker in ("P", "X", "*") else size,
        markerfacecolor=SURFACE if hollow else colour,
        markeredgecolor=colour if hollow else SURFACE,
        markeredgewidth=1.3 if hollow else 0.6,
        clip_on=False,
    )
