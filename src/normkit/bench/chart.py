"""A bench as one SVG file: for each kind of case, the time of every path over the floor's."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from normkit.bench.document import Document, Row
from normkit.bench.measure import FLOOR
from normkit.bench.sheet import Piece, line, sheet
from normkit.bench.summary import by_shape, grouped, over_normkit
from normkit.bench.words import LABELS, kind, means, paths, size, where
from normkit.report import formats
from normkit.report.figures.canvas import Canvas
from normkit.report.figures.style import DASHES, GRID, MUTED, NORMS, OTHERS, Style

STYLES: dict[str, Style] = {
    "eager": NORMS["none"],
    "eager_in_place": OTHERS[0],
    "compile": NORMS["instance"],
    "compile_max_autotune": NORMS["layer"],
    "onednn": NORMS["group"],
    "normkit": NORMS["batch"],
}
"""How each path looks: colours and markers of a report's figures."""

TITLE = "Time over the floor's: 1 is the floor, further left is faster"
COLUMNS = 2
_WIDTH, _ROW, _TITLE, _GAP, _HEAD = 470.0, 26.0, 40.0, 24.0, 94.0
_LETTER = 7.6
"""The width of a letter, near enough."""
_SPREAD_OVER = 0.36
"""The part of a row that marks are spread over, lest equal times hide each other."""


def svg(document: Document) -> str:
    """The chart as an SVG document.

    Args:
        document: of a bench, whole or not.
    """
    names = [name for name in paths(document["rows"]) if name != FLOOR]
    limits = _limits(document["rows"])
    groups = list(grouped(document["rows"]).values())
    pieces = [line(0, 12, TITLE, bold=True), line(0, 30, where(document)), _key(names)]
    if document["over_normkit"]:
        told = f"Over all cases, geometric means: {means(document['over_normkit'])}"
        pieces.append(line(0, 48, told))
    top = _HEAD
    for start in range(0, len(groups), COLUMNS):
        beside = groups[start : start + COLUMNS]
        for column, rows in enumerate(beside):
            left, title = column * (_WIDTH + _GAP), kind(rows[0])
            pieces.append(line(left, top + 12, title, bold=True))
            pieces.append(line(left, top + 28, means(over_normkit(rows))))
            panel = _panel(rows, names, limits, f"bench-{start + column}", title)
            pieces.append(Piece(left, top + _TITLE, _WIDTH, _height(rows), panel))
        top += _TITLE + max(map(_height, beside)) + _GAP
    columns = max(1, min(COLUMNS, len(groups)))
    return sheet(pieces, columns * (_WIDTH + _GAP) - _GAP, top, TITLE)


def _key(names: Sequence[str]) -> Piece:
    """Which mark is which path, and what the dashed line is."""
    height = 20.0
    canvas = Canvas(_WIDTH, height, (0.0, 0.0, 0.0, 0.0))
    axes = canvas.axes
    axes.set(xlim=(0, _WIDTH), ylim=(0, height))
    axes.set_axis_off()
    at = 6.0
    for name in names:
        style = STYLES[name]
        axes.plot([at], [height / 2], style.marker, color=style.light, markersize=7)
        axes.text(at + 9, height / 2, LABELS[name], verticalalignment="center_baseline")
        at += 28 + _LETTER * len(LABELS[name])
    axes.plot([at, at + 22], [height / 2] * 2, color=MUTED, linestyle=(0, DASHES[0]))
    axes.text(at + 28, height / 2, LABELS[FLOOR], verticalalignment="center_baseline")
    return Piece(0, 58, _WIDTH, height, canvas.svg("bench-key", "the paths", "wide"))


def _height(rows: Sequence[Row]) -> float:
    return 34 + _ROW * len(by_shape(rows))


def _limits(rows: Sequence[Row]) -> tuple[float, float]:
    """One scale for all panels, so that they compare; the floor is on it."""
    known = [row["times_floor"] for row in rows if row["times_floor"] is not None]
    return min([1.0, *known]) / 1.15, max([1.5, *known]) * 1.15


def _panel(
    rows: Sequence[Row], names: Sequence[str], limits: tuple[float, float], prefix: str, name: str
) -> str:
    shapes = by_shape(rows)
    sizes = [size(shape) for shape in shapes]
    left = 16 + _LETTER * max(map(len, sizes))
    canvas = Canvas(_WIDTH, _height(rows), (left, 16.0, 26.0, 8.0))
    axes = canvas.axes
    axes.set(xscale="log", xlim=limits, ylim=(len(sizes) - 0.5, -0.5))
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=9))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"×{formats.tick(at)}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.grid(True)
    axes.yaxis.set_major_locator(FixedLocator([float(place) for place in range(len(sizes))]))
    axes.set_yticklabels(sizes)
    axes.axvline(1, color=MUTED, linewidth=1.2, linestyle=(0, DASHES[0]))
    for place, paths_of_it in enumerate(shapes.values()):
        axes.axhline(place, color=GRID, linewidth=0.6, zorder=0)
        for index, each in enumerate(names):
            row = paths_of_it.get(each)
            if row is not None and row["times_floor"] is not None:
                at = place + _SPREAD_OVER * ((index + 0.5) / len(names) - 0.5)
                _mark(canvas, row, STYLES[each], at)
    return canvas.svg(prefix, name, "panel")


def _mark(canvas: Canvas, row: Row, style: Style, at: float) -> None:
    """The median, and a line from quartile to quartile."""
    median, over = row["median"], row["times_floor"]
    if median is None or over is None or row["q25"] is None or row["q75"] is None:
        return
    ends = [row["q25"] / median * over, row["q75"] / median * over]
    canvas.axes.plot(ends, [at, at], color=style.light, linewidth=2.2, solid_capstyle="round")
    canvas.axes.plot([over], [at], style.marker, color=style.light, markersize=6.5)
