"""From a figure of the results document to its panels."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from unicodedata import east_asian_width

from matplotlib.axes import Axes
from matplotlib.axis import Axis as DrawnAxis
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from normkit.report import formats
from normkit.report.figures import heat, histogram, intervals, lines, points, ridges
from normkit.report.figures.canvas import Canvas
from normkit.report.figures.style import DASHES, MUTED, Styles
from normkit.report.figures.view import Row, View, name_of

if TYPE_CHECKING:
    from normkit.report.schema import Axis, Figure

_SINGLE, _PANEL, _RIDGES = (480.0, 285.0), (340.0, 235.0), (260.0, 190.0)
# So few values along x are each worth a tick of their own.
_FEW_PLACES = 8
# Over so many decades powers of ten read better than zeros.
_MANY_DECADES = 4.5


@dataclass(frozen=True)
class Note:
    """Something to say under the figure: a word of the report, and counts by series."""

    word: str
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Panel:
    """One drawing; `facet` is the value that it shows, None in a figure without facets."""

    facet: str | None
    svg: str


@dataclass(frozen=True)
class Drawing:
    """All panels of a figure, and what its legend must say."""

    panels: list[Panel]
    legend: list[str]
    notes: list[Note]
    sideways: bool
    shades: tuple[float, float] | None


def draw(figure: Figure, styles: Styles, prefix: str, names: dict[str | None, str]) -> Drawing:
    """Draw a figure.

    Args:
        figure: as in the results document.
        styles: of the whole document, so that a norm looks the same in every figure.
        prefix: makes the ids of this figure unique in the page.
        names: facet → what its panel shows, in words, for those who hear the page.
    """
    view = View(figure, styles)
    if not view.rows:
        return Drawing([], [], [Note("no_rows")], view.sideways, None)
    panels = []
    for index, facet in enumerate(view.facets):
        name = names.get(facet, names[None])
        panels.append(Panel(facet, _panel(view, facet, f"{prefix}-{index}", name)))
    shades = heat.value_limits(view) if view.kind == "heat" else None
    return Drawing(panels, _legend(view), _notes(view), view.sideways, shades)


def _legend(view: View) -> list[str]:
    """The series to explain: none where the axis or the panels already name them."""
    named = {view.facet, view.x["field"] if view.categories else None}
    if view.kind == "heat" or view.figure["series"] in named or view.ridged:
        return []
    return [str(name) for name in view.series]


def _notes(view: View) -> list[Note]:
    notes = []
    if view.kind == "points":
        notes.append(Note("mean_mark"))
    if view.low and view.high and view.kind in ("lines", "intervals"):
        notes.append(Note("band" if view.kind == "lines" else "bars"))
    if view.kind == "lines" and len({row.get("seed") for row in view.rows}) > 1:
        notes.append(Note("seed_lines"))
    return notes + [Note(word, _ordered(counts)) for word, counts in view.missing.items()]


def _ordered(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def _panel(view: View, facet: str | None, prefix: str, name: str) -> str:
    rows = view.panel(facet)
    width, height = _SINGLE if len(view.facets) == 1 else _PANEL
    if view.kind == "heat":
        return _heat_panel(view, rows, _SINGLE[0], prefix, name)
    left, bottom = 56.0, 30.0
    if view.ridged:
        width, height = (width, height) if len(view.facets) == 1 else _RIDGES
        left = 16 + 1.3 * _longest(view.lanes)
    if view.sideways:
        left = 20 + _longest(view.categories)
        lanes = 1 if points.separate(view) else max(1, len(view.series))
        height = 46 + len(view.categories) * max(30.0, 13.0 * lanes + 8)
    slanted = not view.sideways and _slanted(view, width - left)
    if slanted:
        bottom = 22 + 0.72 * _longest(view.categories)
        height += bottom - 30
    canvas = Canvas(width, height, (left, 22.0, bottom, 14.0))
    _axes(canvas, view, facet, slanted)
    draw_kind = {
        "lines": lines.draw,
        "points": points.draw,
        "intervals": intervals.draw,
        "histogram": histogram.draw,
        "ridges": ridges.draw,
    }[view.kind]
    draw_kind(canvas.axes, rows, view)
    _limits(canvas, view, facet)
    # Once the limits stand, or each line would move them.
    _references(canvas, view)
    many = "ridge" if view.ridged else "panel"
    return canvas.svg(prefix, name, "wide" if len(view.facets) == 1 else many)


def _slanted(view: View, width: float) -> bool:
    if not view.categories:
        return False
    return _longest(view.categories) + 8 > width / len(view.categories)


def _longest(names: Iterable[str | None]) -> float:
    """The width of the longest of some labels, near enough; CJK signs are twice as wide."""
    return max(sum(12.0 if east_asian_width(sign) in "WF" else 6.6 for sign in str(name))
               for name in names)  # fmt: skip


def _axes(canvas: Canvas, view: View, facet: str | None, slanted: bool) -> None:
    axes = canvas.axes
    across, along = (axes.yaxis, axes.xaxis) if view.sideways else (axes.xaxis, axes.yaxis)
    if view.sideways:
        axes.set_xscale("log" if view.y["scale"] == "log" else "linear")
        axes.invert_yaxis()
    else:
        axes.set_yscale("log" if view.y["scale"] == "log" else "linear")
        axes.set_xscale("log" if view.x["scale"] == "log" else "linear")
    if view.ridged:
        along.set_major_locator(FixedLocator([lane + 0.5 for lane in range(len(view.lanes))]))
        along.set_major_formatter(FuncFormatter(lambda at, _: view.lanes[round(at - 0.5)]))
    else:
        _ticks(along, view.y, view.y_limits, 6 if len(view.facets) == 1 else 4)
    along.grid(True)
    if view.categories:
        across.set_major_locator(FixedLocator([float(i) for i in range(len(view.categories))]))
        labels = [str(name) for name in view.categories]
        across.set_major_formatter(FuncFormatter(lambda at, _: labels[round(at)]))
        if slanted:
            axes.tick_params(axis="x", rotation=40)
            _anchor(axes)
    else:
        _ticks(
            across,
            view.x,
            view.x_limits[facet],
            7 if len(view.facets) == 1 else 3 if view.ridged else 4,
            whole=all(isinstance(row[view.x["field"]], int) for row in view.rows),
        )
        places = points.distinct_places(view)
        if view.kind == "points" and len(places) <= _FEW_PLACES:
            across.set_major_locator(FixedLocator(places))


def _anchor(axes: Axes) -> None:
    """Hang slanted labels from their ends, so that a page may enlarge them."""
    for label in axes.get_xticklabels():
        label.set(horizontalalignment="right", verticalalignment="top", rotation_mode="anchor")


def _ticks(
    axis: DrawnAxis,
    along: Axis,
    limits: tuple[float, float] | None,
    most: int,
    whole: bool = False,
) -> None:
    low, high = limits or (0.0, 1.0)
    decades = math.log10(high / low) if along["scale"] == "log" else 0.0
    if decades >= 1:
        few = decades < 2 and most > 4
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,), numticks=most))
    else:
        # Layers are counted: there is none between two.
        steps = [1, 2, 5, 10] if whole else [1, 2, 2.5, 5, 10]
        axis.set_major_locator(MaxNLocator(most, steps=steps, integer=whole))
    axis.set_minor_locator(NullLocator())
    label = formats.power if decades > _MANY_DECADES else formats.tick
    axis.set_major_formatter(FuncFormatter(lambda at, _: label(at)))


def _limits(canvas: Canvas, view: View, facet: str | None) -> None:
    axes = canvas.axes
    limits = view.y_limits
    if limits is not None and "open_marker" in view.missing:
        limits = (limits[0], points.edge(view))
    if view.sideways:
        axes.set_ylim(len(view.categories) - 0.4, -0.6)
        axes.set_xlim(limits)
    else:
        axes.set_ylim((len(view.lanes) - 0.4, -0.5) if view.ridged else limits)
        axes.set_xlim(_x_limits(view, facet))


def _x_limits(view: View, facet: str | None) -> tuple[float, float] | None:
    if view.categories:
        return -0.5, len(view.categories) - 0.5
    limits, places = view.x_limits[facet], points.distinct_places(view)
    if view.kind != "points" or not view.series or not places or limits is None:
        return limits
    # Marks that stand beside each other need room at either end.
    first = points.beside(view, places[0], str(view.series[0]))
    last = points.beside(view, places[-1], str(view.series[-1]))
    if view.x["scale"] == "log":
        return min(limits[0], first**2 / places[0]), max(limits[1], last**2 / places[-1])
    return min(limits[0], 2 * first - places[0]), max(limits[1], 2 * last - places[-1])


def _references(canvas: Canvas, view: View) -> None:
    for index, reference in enumerate(view.figure.get("references", [])):
        measured = reference["axis"] == "y"
        axis = view.y if measured else view.x
        if axis["scale"] == "category" or (axis["scale"] == "log" and reference["value"] <= 0):
            continue
        upright = measured == view.sideways
        line = canvas.axes.axvline if upright else canvas.axes.axhline
        dash = (0, DASHES[index % len(DASHES)])
        line(reference["value"], color=MUTED, linewidth=1.2, linestyle=dash, zorder=1.5)


def _heat_panel(view: View, rows: list[Row], width: float, prefix: str, name: str) -> str:
    columns = heat.names(view, view.x["field"])
    names = heat.names(view, view.y["field"])
    left = 18 + _longest(names)
    room = (width - left - 8) / len(columns)
    longest = _longest(columns)
    slanted = longest + 4 > room
    bottom = 16 + (0.75 * longest if slanted else 10)
    canvas = Canvas(width, bottom + 8 + 32 * len(names), (left, 8.0, bottom, 8.0))
    axes = canvas.axes
    heat.draw(axes, rows, view, room)
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0)
    axes.spines["bottom"].set_visible(False)
    if slanted:
        axes.tick_params(axis="x", rotation=40)
        _anchor(axes)
    return canvas.svg(prefix, name, "heat")


__all__ = ["Drawing", "Note", "Panel", "draw", "name_of"]
