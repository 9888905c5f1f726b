"""What the panels of one figure share: facets, series, categories, limits, and what is missing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from normkit.report.figures.style import INK, Style, Styles

if TYPE_CHECKING:
    from normkit.report.schema import Axis, Cell, Figure, Reference

Row = dict[str, "Cell"]
Limits = tuple[float, float]

_PLAIN = Style("ink", INK, INK, "o")


class View:
    """One figure's rows, read once for all its panels."""

    def __init__(self, figure: Figure, styles: Styles) -> None:
        self.figure = figure
        self.kind = figure["kind"]
        self.x, self.y = figure["x"], figure["y"]
        self.low, self.high = figure.get("low"), figure.get("high")
        self.styles = styles
        self.rows = figure["rows"]
        self.facet = figure.get("facet")
        self.facets = self.distinct(self.facet) if self.facet else [None]
        self.series = self.distinct(figure["series"]) if figure["series"] else []
        # Names read best from top to bottom, so points and intervals by category lie on their side.
        self.ridged = self.kind == "ridges"
        self.sideways = self.kind in ("points", "intervals") and self.x["scale"] == "category"
        self.categories = self.distinct(self.x["field"]) if self.x["scale"] == "category" else []
        # What a panel of ridges has from top to bottom: numbers in order, names as they come.
        self.lanes = ordered(row[self.y["field"]] for row in self.rows) if self.ridged else []
        self.missing: dict[str, Counter[str]] = {}
        references = figure.get("references", [])
        fields = [self.y["field"], *(field for field in (self.low, self.high) if field)]
        upright = [reference for reference in references if reference["axis"] == "x"]
        across = [reference for reference in references if reference["axis"] == "y"]
        self.y_limits = self._limits(self.rows, self.y, fields, across)
        # Panels share their axes, save that lines and histograms may end where their own rows do,
        # and so may ridges.
        self.x_limits = {
            facet: self._limits(
                self.panel(facet) if self.kind in ("lines", "histogram", "ridges") else self.rows,
                self.x,
                [self.x["field"]],
                upright,
            )
            for facet in self.facets
        }

    def distinct(self, field: str | None) -> list[str | None]:
        """The values of a field as text, each once, in order of appearance."""
        if field is None:
            return []
        return list(dict.fromkeys(name_of(row[field]) for row in self.rows))

    def panel(self, facet: str | None) -> list[Row]:
        """The rows of one panel."""
        if self.facet is None:
            return self.rows
        return [row for row in self.rows if name_of(row[self.facet]) == facet]

    def series_of(self, row: Row) -> str:
        """The series that a row belongs to, empty where the figure has none."""
        field = self.figure["series"]
        return name_of(row[field]) if field is not None else ""

    def by_series(self, rows: Iterable[Row]) -> dict[str, list[Row]]:
        """Rows grouped by series, in the figure's order of series."""
        groups: dict[str, list[Row]] = {str(name): [] for name in self.series} or {"": []}
        for row in rows:
            groups[self.series_of(row)].append(row)
        return {name: group for name, group in groups.items() if group}

    def style(self, series: str) -> Style:
        return self.styles[series] if series else _PLAIN

    def number(self, row: Row, field: str, axis: Axis) -> float | None:
        """A row's number as drawn on an axis: None where it is null or has no logarithm."""
        value = row[field]
        if value is None or isinstance(value, str):
            return None
        if axis["scale"] == "log" and value <= 0:
            return None
        return float(value)

    def position(self, row: Row) -> float | None:
        """Where a row lies along x; a category's place is its number."""
        if self.x["scale"] == "category":
            return float(self.categories.index(name_of(row[self.x["field"]])))
        return self.number(row, self.x["field"], self.x)

    def miss(self, row: Row, word: str) -> None:
        """Count a value that is not drawn as it stands; `word` says how it is told."""
        field = self.y["field"]
        value = row[field]
        if word == "not_drawn" and isinstance(value, int | float) and value <= 0:
            word = "beyond_log"
        self.missing.setdefault(word, Counter())[self.series_of(row)] += 1

    def _limits(
        self, rows: list[Row], axis: Axis, fields: list[str], references: list[Reference]
    ) -> Limits | None:
        if axis["scale"] == "category" or self.kind == "heat":
            return None
        values = [self.number(row, field, axis) for row in rows for field in fields]
        finite = [value for value in values if value is not None]
        if not finite:
            finite = [1.0]
        # A reference far outside the data would squeeze it to a line: it may stretch the axis by
        # as much again, no more.
        log = axis["scale"] == "log"
        scaled = [math.log10(value) if log else value for value in finite]
        low, high = min(scaled), max(scaled)
        room = max(high - low, 1e-9)
        for reference in references:
            at = reference["value"]
            if log and at <= 0:
                continue
            at = math.log10(at) if log else at
            if low - room <= at <= high + room or len(set(scaled)) == 1:
                low, high = min(low, at), max(high, at)
        if low == high:
            low, high = (low - 0.5, high + 0.5) if log else _around(low)
        pad = 0.05 * (high - low)
        if self.kind == "histogram" and axis is self.y:
            low, high = min(0.0, low), high + pad
        elif axis is self.x and self.kind in ("lines", "histogram", "ridges"):
            low, high = low - pad / 4, high + pad / 4
        else:
            low, high = low - pad, high + pad
        return (10**low, 10**high) if log else (low, high)


def ordered(values: Iterable[Cell]) -> list[str]:
    """Distinct cells as names: numbers in order, names as they come.

    >>> ordered([10, 2, 2]), ordered(["he", 1])
    (['2', '10'], ['he', '1'])
    """
    distinct = list(dict.fromkeys(values))
    if all(isinstance(value, int | float) for value in distinct):
        distinct.sort(key=lambda value: float(value or 0))
    return [name_of(value) for value in distinct]


def _around(value: float) -> Limits:
    room = abs(value) * 0.1 or 0.5
    return value - room, value + room


def name_of(value: Cell) -> str:
    """A cell as the name of a series, a facet or a category.

    >>> name_of("he"), name_of(10), name_of(0.01), name_of(8.0), name_of(None)
    ('he', '10', '0.01', '8', '–')
    """
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)
