"""The report as plain text: its first screen, and in full what follows it."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text as Line

from normkit.report import confidence, details, formats, summary, tables
from normkit.report.results import read
from normkit.report.schema import Results, Verdict
from normkit.report.verdict_text import VerdictText
from normkit.report.words import Words

SIGNS = {"supported": "✓", "refuted": "✗", "inconclusive": "?"}
MARKS = {tables.BEST: "★ ", tables.CLOSE: "≈ "}
# Narrower than this, a table with a column for each norm cannot be read: each verdict gets a line.
_LEAST = 44


def text(
    results: Mapping[str, Any], lang: str = "en", width: int | None = None, full: bool = False
) -> str:
    """The verdict table and the choice table for a terminal, or the whole report.

    Args:
        results: a results document.
        lang: `en` or `zh`.
        width: in columns; by default the terminal's.
        full: whether every claim follows with all its verdicts, and how the study was made.

    Returns:
        Plain text, without colour or control characters, no line wider than `width`.

    Raises:
        ResultsError: if `results` is not a results document.
        ValueError: if the report is not written in `lang`, or `width` is too small for any table.
    """
    words = Words(lang)
    document = read(results)
    if width is None:
        width = max(_LEAST, shutil.get_terminal_size((100, 24)).columns)
    if width < _LEAST:
        raise ValueError(f"width must be at least {_LEAST} columns, got {width}")
    file = io.StringIO()
    console = Console(
        file=file,
        width=width,
        color_system=None,
        force_terminal=False,
        force_jupyter=False,
        highlight=False,
        markup=False,
        emoji=False,
        _environ={},
    )
    console.print(_clean(words.pick(document["title"])))
    console.print()
    console.print(_clean(summary.sentence(document, words)))
    for title, incomplete in (("incomplete", not document["complete"]),
                              ("no_base", not document["recipe"]["found"])):  # fmt: skip
        if incomplete:
            console.print(
                f"\n{words(title + '_title')}{words('stop')}{words('space')}{words(title)}"
            )
    # In full, they stand with the rest of how the study was made.
    for failure in () if full else document["failures"]:
        console.print(_clean(f"\n{words('failures')}{words('colon')}{words.pick(failure)}"))
    for block in (
        *_verdicts(document, words, width),
        *_choices(document, words, width),
        *_advice(document, words),
    ):
        console.print(block)
    for line in details.lines(document, words) if full else ():
        console.print(_clean(line))
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def _table(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        show_edge=False,
    )


def _verdicts(results: Results, words: Words, width: int) -> Iterator[RenderableType]:
    norms, rows = tables.verdict_norms(results), tables.verdict_rows(results)
    if not rows:
        return
    yield ""
    if width >= 34 + 19 * len(norms):
        yield _wide_verdicts(rows, norms, words)
    else:
        yield _clean(words("verdicts_title"))
        for row in rows:
            yield ""
            yield from _narrow_verdicts(row, words)
    yield ""
    for name, sign in SIGNS.items():
        yield f"{sign} {words(name)}{words('colon')}{words('key_' + name)}"
    yield f"† {words('exploratory')}{words('colon')}{words('key_exploratory')}"
    if confidences := confidence.line(results, words):
        yield f"  {confidences}"


def _wide_verdicts(rows: list[tables.VerdictRow], norms: list[str], words: Words) -> Table:
    table = _table(words("verdicts_title"))
    table.add_column(words("claim"), min_width=18, overflow="fold")
    for norm in norms:
        table.add_column(_clean(norm), overflow="fold")
    for row in rows:
        title = [words.pick(row.claim["title"])] if row.first else []
        name = "\n".join([*title, words.pick(row.what)])
        cells = [_cell(row.verdicts[norm], words) for norm in norms]
        table.add_row(_clean(name), *(_clean("\n".join(cell)) for cell in cells))
        table.add_section()
    return table


def _narrow_verdicts(row: tables.VerdictRow, words: Words) -> Iterator[RenderableType]:
    if row.first:
        yield _clean(words.pick(row.claim["title"]))
    yield _clean(words.pick(row.what))
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(3):
        table.add_column(overflow="fold")
    for norm, verdict in row.verdicts.items():
        if verdict:
            outcome, *numbers = _cell(verdict, words)
            table.add_row(_clean(f"  {norm}"), _clean(outcome), _clean(" ".join(numbers)))
    yield table


def _cell(verdict: Verdict | None, words: Words) -> list[str]:
    if verdict is None:
        return [formats.NOTHING]
    shown = VerdictText.of(verdict, words)
    mark = " †" if verdict["exploratory"] else ""
    outcome = f"{SIGNS[verdict['outcome']]} {words(verdict['outcome'])}{mark}"
    return [line for line in (outcome, shown.effect, shown.interval) if line]


def _choices(results: Results, words: Words, width: int) -> Iterator[RenderableType]:
    columns, rows = results["choices"]["columns"], tables.choice_cells(results)
    if not rows:
        return
    yield ""
    if width >= 22 + 14 * len(columns):
        table = _table(words("choices_title"))
        table.add_column(words("norm"), overflow="fold")
        for column in columns:
            table.add_column(_clean(words.pick(column["title"])), justify="right", overflow="fold")
        for row, cells in rows:
            mark = " †" if row["exploratory"] else ""
            table.add_row(_clean(row["norm"] + mark), *(_clean(_value(cell)) for cell in cells))
        yield table
    else:
        yield _clean(words("choices_title"))
        for index, column in enumerate(columns):
            yield ""
            yield _clean(words.pick(column["title"]))
            table = Table.grid(padding=(0, 2, 0, 0))
            for row, cells in rows:
                table.add_row(_clean(f"  {row['norm']}"), _clean(_value(cells[index])))
            yield table
    yield ""
    yield f"★ {words('best')}   ≈ {words('close_to_best')}   – {words('not_measured')}"


def _advice(results: Results, words: Words) -> Iterator[RenderableType]:
    if "advice" not in results:
        return
    yield ""
    yield _clean(words("advice_title"))
    for point in results["advice"]["points"]:
        table = Table.grid(padding=(0, 1, 0, 0))
        table.add_column(width=2)
        table.add_column(overflow="fold")
        for sentence in point["texts"]:
            table.add_row(" •", _clean(words.pick(sentence)))
        yield _clean(words("advice_" + point["id"]))
        yield table


def _value(cell: tables.ChoiceCell) -> str:
    return f"{MARKS.get(cell.mark or '', '')}{cell.value}"


def _clean(words: str) -> Line:
    """Text from a document, without control characters that a terminal would obey."""
    kept = (sign for sign in words if sign in "\n\u202f" or sign.isprintable())
    return Line("".join(kept))
