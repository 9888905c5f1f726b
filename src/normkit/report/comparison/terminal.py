"""A comparison as plain text for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import RenderableType
from rich.table import Table

from normkit.report import formats
from normkit.report.comparison import summary
from normkit.report.comparison.page import choice_cell
from normkit.report.comparison.schema import Agreement, Cell, Comparison, Question
from normkit.report.console import clean, printed, titled_table, width_or_terminals
from normkit.report.terminal import MARKS, SIGNS
from normkit.report.verdict_text import VerdictText
from normkit.report.words import Words

# Columns that a name or a question needs, and a study beside it.
_FIRST, _STUDY = 24, 22


def text(comparison: Comparison, lang: str = "en", width: int | None = None) -> str:
    """The whole comparison for a terminal.

    Args:
        comparison: a comparison document.
        lang: `en` or `zh`.
        width: in columns; by default the terminal's.

    Returns:
        Plain text, without colour or control characters, no line wider than `width`.

    Raises:
        ValueError: if the report is not written in `lang`, or `width` is too small for any table.
    """
    words = Words(lang)
    width = width_or_terminals(width)
    return printed(_blocks(comparison, words, width), width)


def _blocks(comparison: Comparison, words: Words, width: int) -> Iterator[RenderableType]:
    yield clean(words.pick(comparison["title"]))
    yield from ("", clean(summary.sentence(comparison, words)))
    yield clean(summary.counted(comparison, words))
    yield from ("", clean(words("not_a_test")))
    if comparison["cautions"]:
        yield from ("", f"## {words('cautions_title')}")
        for caution in comparison["cautions"]:
            yield clean(f"- {words.pick(caution['text'])}")
    names = [study["name"] for study in comparison["studies"]]
    wide = width >= _FIRST + _STUDY * len(names)
    yield from _facts(comparison, names, words, wide)
    yield from ("", f"## {words('verdicts_title')}")
    if not comparison["claims"]:
        yield words("nothing_to_compare")
    for claim in comparison["claims"]:
        headline = words.parentheses(words("headline")) if claim["headline"] else ""
        yield from ("", clean(f"### {words.pick(claim['title'])}{headline}"))
        for question in claim["questions"]:
            yield from _question(comparison, question, names, words, wide)
    yield ""
    for name, sign in SIGNS.items():
        yield f"{sign} {words(name)}{words('colon')}{words('key_' + name)}"
    yield f"† {words('exploratory')}{words('colon')}{words('key_exploratory')}"
    yield from _choices(comparison, names, words, width)


def _facts(
    comparison: Comparison, names: list[str], words: Words, wide: bool
) -> Iterator[RenderableType]:
    differing = [fact for fact in comparison["facts"] if not fact["same"]]
    yield from ("", f"## {words('differences_title')}", "")
    if not differing:
        yield words("differences_none")
    rows = [
        (words.pick(fact["title"]), [words.pick(value) for value in fact["values"]])
        for fact in differing
    ]
    yield from _table(words("fact"), names, rows, wide)
    yield from ("", f"## {words('same_title')}", "")
    for fact in comparison["facts"]:
        if fact["same"]:
            value = words.pick(fact["values"][0])
            yield clean(f"{words.pick(fact['title'])}{words('colon')}{value}")


def _question(
    comparison: Comparison, question: Question, names: list[str], words: Words, wide: bool
) -> Iterator[RenderableType]:
    secondary = "" if question["primary"] else words.parentheses(words("secondary"))
    yield from ("", clean(f"{words.pick(question['what'])}{secondary}"))
    cautions = {caution["id"]: caution for caution in comparison["cautions"]}
    for name in question["cautions"]:
        yield clean(f"! {words.pick(cautions[name]['short'])}")
    rows = [
        (
            f"{row['norm']}\n{words(row['agreement'])}",
            ["\n".join(_cell(cell, row["agreement"], words)) for cell in row["cells"]],
        )
        for row in question["rows"]
    ]
    yield from _table(words("norm"), names, rows, wide)


def _cell(cell: Cell, agreement: Agreement, words: Words) -> list[str]:
    verdict = cell["verdict"]
    if verdict is None:
        reason = words.pick(cell["missing"]) if cell["missing"] else ""
        return [words("not_measured_there") + (words.parentheses(reason) if reason else "")]
    shown = VerdictText.of(verdict, words)
    mark = " †" if verdict["exploratory"] else ""
    outcome = f"{SIGNS[verdict['outcome']]} {words(verdict['outcome'])}{mark}"
    rule = words("holds_where", threshold=shown.threshold) if agreement == "unlike" else ""
    what = words.pick(verdict["what"]) if agreement == "other_measure" else ""
    return [line for line in (outcome, shown.effect, shown.interval, rule, what) if line]


def _choices(
    comparison: Comparison, names: list[str], words: Words, width: int
) -> Iterator[RenderableType]:
    choices = comparison["choices"]
    if not choices["norms"]:
        return
    cautions = {caution["id"]: words.pick(caution["short"]) for caution in comparison["cautions"]}
    yield from ("", f"## {words('comparison_choices_title')}")
    wide = width >= _FIRST + 14 * len(names)
    for column in choices["columns"]:
        yield from ("", clean(words.pick(column["title"])))
        yield from (clean(f"! {cautions[name]}") for name in column["cautions"])
        rows = []
        for norm in choices["norms"]:
            cells = [choice_cell(arm, column) for arm in norm["arms"]]
            values = [
                " ".join(filter(None, (MARKS.get(c.mark or "", "") + c.value, c.interval)))
                for c in cells
            ]
            rows.append((norm["norm"], values))
        yield from _table(words("norm"), names, rows, wide)
    yield ""
    yield f"★ {words('best')}   ≈ {words('close_to_best')}   – {words('not_measured')}"
    yield words("key_own_best")
    yield from (clean(words.pick(note)) for note in choices["notes"])


def _table(
    first: str, names: list[str], rows: Iterable[tuple[str, list[str]]], wide: bool
) -> Iterator[RenderableType]:
    """A column for each study; in a narrow terminal, a line for each."""
    rows = list(rows)
    if not rows:
        return
    if wide:
        table = titled_table("")
        table.title = None
        table.add_column(first, min_width=12, overflow="fold")
        for name in names:
            table.add_column(clean(name), overflow="fold")
        for title, values in rows:
            table.add_row(clean(title), *(clean(value or formats.NOTHING) for value in values))
            table.add_section()
        yield table
        return
    for title, values in rows:
        yield clean(title)
        lines = Table.grid(padding=(0, 2, 0, 0))
        lines.add_column(overflow="fold", max_width=20)
        lines.add_column(overflow="fold")
        for name, value in zip(names, values, strict=True):
            lines.add_row(clean(f"  {name}"), clean(value.replace("\n", " ") or formats.NOTHING))
        yield lines
