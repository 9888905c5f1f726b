"""The report as plain text: its first screen, and in full what follows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from normkit.report import confidence, details, formats, summary, tables
from normkit.report.console import clean, printed, titled_table, width_or_terminals
from normkit.report.results import read
from normkit.report.schema import Results, Verdict
from normkit.report.verdict_text import VerdictText
from normkit.report.words import Words

SIGNS = {"supported": "✓", "refuted": "✗", "inconclusive": "?"}
MARKS = {tables.BEST: "★ ", tables.CLOSE: "≈ "}


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
    width = width_or_terminals(width)
    return printed(_blocks(document, words, width, full), width)


def _blocks(document: Results, words: Words, width: int, full: bool) -> Iterator[RenderableType]:
    yield clean(words.pick(document["title"]))
    yield ""
    yield clean(summary.sentence(document, words))
    for title, incomplete in (("incomplete", not document["complete"]),
                              ("no_base", not document["recipe"]["found"])):  # fmt: skip
        if incomplete:
            yield f"\n{words(title + '_title')}{words('stop')}{words('space')}{words(title)}"
    # In full, they stand with the rest of how the study was made.
    for failure in () if full else document["failures"]:
        yield clean(f"\n{words('failures')}{words('colon')}{words.pick(failure)}")
    yield from _verdicts(document, words, width)
    yield from _choices(document, words, width)
    yield from _advice(document, words)
    for line in details.lines(document, words) if full else ():
        yield clean(line)


def _verdicts(results: Results, words: Words, width: int) -> Iterator[RenderableType]:
    norms, rows = tables.verdict_norms(results), tables.verdict_rows(results)
    if not rows:
        return
    yield ""
    if width >= 34 + 19 * len(norms):
        yield _wide_verdicts(rows, norms, words)
    else:
        yield clean(words("verdicts_title"))
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
    table = titled_table(words("verdicts_title"))
    table.add_column(words("claim"), min_width=18, overflow="fold")
    for norm in norms:
        table.add_column(clean(norm), overflow="fold")
    for row in rows:
        title = [words.pick(row.claim["title"])] if row.first else []
        name = "\n".join([*title, words.pick(row.what)])
        cells = [_cell(row.verdicts[norm], words) for norm in norms]
        table.add_row(clean(name), *(clean("\n".join(cell)) for cell in cells))
        table.add_section()
    return table


def _narrow_verdicts(row: tables.VerdictRow, words: Words) -> Iterator[RenderableType]:
    if row.first:
        yield clean(words.pick(row.claim["title"]))
    yield clean(words.pick(row.what))
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(3):
        table.add_column(overflow="fold")
    for norm, verdict in row.verdicts.items():
        if verdict:
            outcome, *numbers = _cell(verdict, words)
            table.add_row(clean(f"  {norm}"), clean(outcome), clean(" ".join(numbers)))
    yield table


def _cell(verdict: Verdict | None, words: Words) -> list[str]:
    if verdict is None:
        return [formats.NOTHING]
    shown = VerdictText.of(verdict, words)
    mark = " †" if verdict["exploratory"] else ""
    outcome = f"{SIGNS[verdict['outcome']]} {words(verdict['outcome'])}{mark}"
    if verdict["effect"] is None and verdict["note"]:
        return [outcome, words.pick(verdict["note"])]
    return [line for line in (outcome, shown.effect, shown.interval) if line]


def _choices(results: Results, words: Words, width: int) -> Iterator[RenderableType]:
    columns, rows = results["choices"]["columns"], tables.choice_cells(results)
    if not rows:
        return
    title = words("choices_title_given" if summary.studied_as_given(results) else "choices_title")
    yield ""
    if width >= 22 + 14 * len(columns):
        table = titled_table(title)
        table.add_column(words("norm"), overflow="fold")
        for column in columns:
            table.add_column(clean(words.pick(column["title"])), justify="right", overflow="fold")
        for row, cells in rows:
            mark = " †" if row["exploratory"] else ""
            table.add_row(clean(row["norm"] + mark), *(clean(_value(cell)) for cell in cells))
        yield table
    else:
        yield clean(title)
        for index, column in enumerate(columns):
            yield ""
            yield clean(words.pick(column["title"]))
            table = Table.grid(padding=(0, 2, 0, 0))
            for row, cells in rows:
                table.add_row(clean(f"  {row['norm']}"), clean(_value(cells[index])))
            yield table
    yield ""
    yield f"★ {words('best')}   ≈ {words('close_to_best')}   – {words('not_measured')}"


def _advice(results: Results, words: Words) -> Iterator[RenderableType]:
    if "advice" not in results:
        return
    yield ""
    yield clean(words("advice_title"))
    for point in results["advice"]["points"]:
        table = Table.grid(padding=(0, 1, 0, 0))
        table.add_column(width=2)
        table.add_column(overflow="fold")
        for sentence in point["texts"]:
            table.add_row(" •", clean(words.pick(sentence)))
        yield clean(words("advice_" + point["id"]))
        yield table


def _value(cell: tables.ChoiceCell) -> str:
    return f"{MARKS.get(cell.mark or '', '')}{cell.value}"
