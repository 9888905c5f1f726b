"""Lines: one for each series, with its interval as a band where the figure has one."""

from __future__ import annotations

import math
from collections import defaultdict
from statistics import median

from matplotlib.axes import Axes

from normkit.report.figures.view import Row, View

# More points than this cannot be told apart in print; the CSV holds them all.
MOST_POINTS = 400


def draw(axes: Axes, rows: list[Row], view: View) -> None:
    """Draw the lines of one panel; a null leaves a gap."""
    for series, group in view.by_series(rows).items():
        style = view.style(series)
        by_seed = _by_seed(group)
        thin = len(by_seed) > 1
        for seed in by_seed.values():
            xs, ys = _points(seed, view)
            axes.plot(
                xs,
                ys,
                color=style.light,
                linewidth=0.8 if thin else 1.9,
                alpha=0.4 if thin else None,
                marker=style.marker if len(xs) <= 12 and not thin else None,
                markersize=5,
                solid_capstyle="round",
            )
        if thin:
            xs, ys = _median(by_seed, view)
            axes.plot(xs, ys, color=style.light, linewidth=2.2, solid_capstyle="round")
        _band(axes, group, view, style.light)


def _by_seed(group: list[Row]) -> dict[object, list[Row]]:
    seeds: dict[object, list[Row]] = defaultdict(list)
    for row in group:
        seeds[row.get("seed")].append(row)
    return seeds


def _points(rows: list[Row], view: View) -> tuple[list[float], list[float]]:
    points = []
    for row in rows:
        x, y = view.position(row), view.number(row, view.y["field"], view.y)
        if x is None or y is None:
            view.miss(row, "not_drawn")
        if x is not None:
            points.append((x, math.nan if y is None else y))
    points.sort(key=lambda point: point[0])
    every = max(1, math.ceil(len(points) / MOST_POINTS))
    kept = points[::every]
    if points and kept[-1] != points[-1] and not math.isnan(points[-1][1]):
        kept.append(points[-1])
    return [x for x, _ in kept], [y for _, y in kept]


def _median(by_seed: dict[object, list[Row]], view: View) -> tuple[list[float], list[float]]:
    """The median of the seeds where at least half of them have a value."""
    columns: dict[float, list[float]] = defaultdict(list)
    for rows in by_seed.values():
        for row in rows:
            x, y = view.position(row), view.number(row, view.y["field"], view.y)
            if x is not None and y is not None:
                columns[x].append(y)
    xs = sorted(x for x, ys in columns.items() if 2 * len(ys) >= len(by_seed))
    every = max(1, math.ceil(len(xs) / MOST_POINTS))
    return xs[::every], [median(columns[x]) for x in xs[::every]]


def _band(axes: Axes, group: list[Row], view: View, colour: str) -> None:
    if view.low is None or view.high is None:
        return
    points = []
    for row in group:
        x = view.position(row)
        low, high = (view.number(row, field, view.y) for field in (view.low, view.high))
        if x is not None:
            known = low is not None and high is not None
            points.append((x, low if known else math.nan, high if known else math.nan))
    points.sort(key=lambda point: point[0])
    points = points[:: max(1, math.ceil(len(points) / MOST_POINTS))]
    xs = [x for x, _, _ in points]
    lows = [math.nan if low is None else low for _, low, _ in points]
    highs = [math.nan if high is None else high for _, _, high in points]
    if len(points) == 1:
        # A band over a single point would have no width.
        axes.vlines(xs, lows, highs, color=colour, alpha=0.35, linewidth=5)
        return
    axes.fill_between(
        xs,
        lows,
        highs,
        color=colour,
        alpha=0.16,
        linewidth=0,
    )
