"""The lesson as the page shows it: formulas with their numbers, tables, and pictures of maps."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from normkit.report import formats
from normkit.report.figures import maps
from normkit.report.results import PLACES
from normkit.report.schema import (
    Formula,
    Lesson,
    LessonColumn,
    LessonRow,
    LessonStep,
    LessonTable,
    Maps,
)
from normkit.report.words import Words

_DIGITS = 4
_NEGATIVE_ZERO = re.compile(r"^−(0(?:\.0+)?)$")


@dataclass(frozen=True)
class TableView:
    """A table with its numbers as text; `unit` is a power of ten that they are all in, or empty.

    `norms` is a first row of headers: norm, or None, and how many columns it is over. It is empty
    where no column has one.
    """

    table: LessonTable
    unit: str
    norms: list[tuple[str | None, int]]
    columns: list[LessonColumn]
    rows: list[tuple[LessonRow, list[str]]]


@dataclass(frozen=True)
class StepView:
    """A step, ready to be set."""

    step: LessonStep
    formulas: list[str]
    tables: list[TableView]
    maps: list[Markup]


@dataclass(frozen=True)
class LessonView:
    """The lesson, ready to be set."""

    lesson: Lesson
    steps: list[StepView]


def view(lesson: Lesson, words: Words) -> LessonView:
    """What the page shows of a lesson in one language."""
    return LessonView(lesson, [_step(step, words) for step in lesson["steps"]])


def _step(step: LessonStep, words: Words) -> StepView:
    return StepView(
        step,
        [filled(formula) for formula in step["formulas"]],
        [tabled(table) for table in step["tables"]],
        _pictures(step["maps"], f"f-lesson-{step['id']}-maps", words) if step["maps"] else [],
    )


def filled(formula: Formula) -> str:
    """A formula with its numbers.

    >>> filled({"form": "x − {mean()} = {x}", "values": {"mean": -0.5, "x": 1.25}})
    'x − (−0.5) = 1.25'
    """
    values = formula["values"]
    whole = {name: formats.number(value, _DIGITS) for name, value in values.items()}
    return PLACES.sub(
        lambda place: f"({whole[place[1]]})" if place[2] and values[place[1]] < 0
        else whole[place[1]],
        formula["form"],
    )  # fmt: skip


def tabled(table: LessonTable) -> TableView:
    """A table with its numbers as text.

    Where the columns are all of one kind (no norm of their own, and rows of images) its numbers
    share their decimals, and a power of ten if they are small or large; else each column does.
    """
    cells = [row["cells"] for row in table["rows"]]
    columns = table["columns"]
    alike = all(row["image"] is not None for row in table["rows"]) and not any(
        column["norm"] for column in columns
    )
    flat = [value for row in cells for value in row]
    power = _power(flat) if alike else 0
    if alike:
        aligned = formats.aligned([_scaled(value, power) for value in flat])
        texts = iter(_NEGATIVE_ZERO.sub(r"\1", text) for text in aligned)
        shown = [[next(texts) for _ in row] for row in cells]
    else:
        by_column = [_column(list(column)) for column in zip(*cells, strict=True)]
        shown = [list(row) for row in zip(*by_column, strict=True)]
    over = [
        (norm, len(list(group)))
        for norm, group in groupby(column["norm"] for column in columns)
    ]  # fmt: skip
    return TableView(
        table,
        formats.power(10.0**power) if power else "",
        over if any(norm for norm, _ in over) else [],
        columns,
        list(zip(table["rows"], shown, strict=True)),
    )


def _column(values: list[float | None]) -> list[str]:
    """A column's numbers with shared decimals; what would be zero in these, by itself.

    >>> _column([0.169, 0.14, 2.96e-17])
    ['0.169', '0.140', '2.96×10⁻¹⁷']
    """
    largest = max((abs(value) for value in values if value), default=0.0)
    near = [None if value and abs(value) < 1e-3 * largest else value for value in values]
    return [
        formats.number(value) if kept is None else text
        for value, kept, text in zip(values, near, formats.aligned(near), strict=True)
    ]


def _power(values: list[float | None]) -> int:
    largest = max((abs(value) for value in values if value), default=1.0)
    return 0 if 1e-2 <= largest < 1e4 else math.floor(math.log10(largest))


def _scaled(value: float | None, power: int) -> float | None:
    return None if value is None else value / 10.0**power


def _pictures(shown: Maps, prefix: str, words: Words) -> list[Markup]:
    title = words.pick(shown["title"])
    return [
        Markup(maps.draw(shown, i, f"{prefix}-{i}", f"{title}{words('colon')}{panel['norm']}"))
        for i, panel in enumerate(shown["panels"])
    ]
