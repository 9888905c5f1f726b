"""Heat: a grid of cells, the darker the larger, each with its number where there is room."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from normkit.report import formats
from normkit.report.figures.style import INK, MUTED, SHADE, SHADE_INK
from normkit.report.figures.view import Row, View, name_of, ordered

_LIGHTEST, _DARKEST = 0.05, 0.95
# The strength of shade from which light text reads better than dark text.
_LIGHT_TEXT = 0.55


def names(view: View, field: str) -> list[str]:
    """The columns or rows of the grid: numbers in order, names as they come."""
    return ordered(row[field] for row in view.rows)


def value_limits(view: View) -> tuple[float, float]:
    """The values of the lightest and the darkest cell; shares go from 0 to 1."""
    shade = view.figure.get("value")
    if shade is None:
        return 0.0, 1.0
    cells = [row[shade["field"]] for row in view.rows]
    numbers = [float(cell) for cell in cells if isinstance(cell, int | float)]
    if shade["format"] == "percent" and all(0 <= number <= 1 for number in numbers):
        return 0.0, 1.0
    return (min(numbers), max(numbers)) if numbers else (0.0, 1.0)


def draw(axes: Axes, rows: list[Row], view: View, room: float) -> None:
    """Draw the cells of one panel; `room` is the width of a cell."""
    shade = view.figure.get("value")
    if shade is None:
        return
    columns, lines = names(view, view.x["field"]), names(view, view.y["field"])
    low, high = value_limits(view)
    percent = shade["format"] == "percent"
    for row in rows:
        x = columns.index(name_of(row[view.x["field"]]))
        y = lines.index(name_of(row[view.y["field"]]))
        value = row[shade["field"]]
        if value is None or isinstance(value, str):
            view.miss(row, "empty_cell")
            axes.text(x, y, formats.NOTHING, ha="center", va="center_baseline", color=MUTED)
            continue
        strength = (float(value) - low) / (high - low) if high > low else 0.5
        alpha = _LIGHTEST + (_DARKEST - _LIGHTEST) * strength
        cell = Rectangle(
            (x - 0.47, y - 0.46), 0.94, 0.92, facecolor=SHADE, alpha=alpha, linewidth=0
        )
        axes.add_patch(cell)
        text = f"{100 * value:.0f}" if percent else formats.number(float(value), 2)
        if room >= 7 * len(text) + 4:
            colour = SHADE_INK if alpha > _LIGHT_TEXT else INK
            axes.text(x, y, text, ha="center", va="center_baseline", color=colour)
