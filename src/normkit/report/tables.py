"""The two tables of the first screen, as the page and the terminal both show them."""

from __future__ import annotations

from dataclasses import dataclass

from normkit.report import formats
from normkit.report.schema import ChoiceRow, Claim, Column, Results, Text, Verdict
from normkit.report.summary import primary

BEST, CLOSE = "best", "close_to_best"


@dataclass(frozen=True)
class VerdictRow:
    """One question of one claim, with its verdict for each norm; None where it was not asked."""

    claim: Claim
    what: Text
    first: bool
    verdicts: dict[str, Verdict | None]


def verdict_norms(results: Results) -> list[str]:
    """The norms that have a primary verdict, in the order of the choice table."""
    judged = {verdict["norm"] for claim in results["claims"] for verdict in primary(claim)}
    order = [row["norm"] for row in results["choices"]["rows"]]
    order += [v["norm"] for claim in results["claims"] for v in claim["verdicts"]]
    return [norm for norm in dict.fromkeys(order) if norm in judged]


def verdict_rows(results: Results) -> list[VerdictRow]:
    """The verdict table: one row for each question that a claim is judged by."""
    norms = verdict_norms(results)
    rows = []
    for claim in results["claims"]:
        questions: dict[str, list[Verdict]] = {}
        for verdict in primary(claim):
            questions.setdefault(verdict["id"], []).append(verdict)
        for index, verdicts in enumerate(questions.values()):
            by_norm = {verdict["norm"]: verdict for verdict in verdicts}
            cells = {norm: by_norm.get(norm) for norm in norms}
            rows.append(VerdictRow(claim, verdicts[0]["what"], index == 0, cells))
    return rows


def questions(claim: Claim) -> list[list[Verdict]]:
    """All verdicts of a claim, grouped by what was asked, primary ones first."""
    groups: dict[str, list[Verdict]] = {}
    for verdict in claim["verdicts"]:
        groups.setdefault(verdict["id"], []).append(verdict)
    return sorted(groups.values(), key=lambda verdicts: not verdicts[0]["primary"])


@dataclass(frozen=True)
class ChoiceCell:
    """A value of the choice table as shown; `mark` is `best`, `close_to_best` or None."""

    value: str
    interval: str
    mark: str | None


def choice_cells(results: Results) -> list[tuple[ChoiceRow, list[ChoiceCell]]]:
    """The choice table, with the best of each column and those not clearly worse than it."""
    columns, rows = results["choices"]["columns"], results["choices"]["rows"]
    marks = {column["id"]: _marks(column, rows) for column in columns}
    return [
        (row, [_cell(row, column, marks[column["id"]].get(row["norm"])) for column in columns])
        for row in rows
    ]


def _cell(row: ChoiceRow, column: Column, mark: str | None) -> ChoiceCell:
    measured = row["values"].get(column["id"])
    if measured is None:
        return ChoiceCell(formats.NOTHING, "", None)
    kind = column["format"]
    return ChoiceCell(
        formats.column(measured["value"], kind),
        formats.column_interval(measured["low"], measured["high"], kind),
        mark,
    )


def _marks(column: Column, rows: list[ChoiceRow]) -> dict[str, str]:
    """Norm → its mark. Not clearly worse: its interval reaches into the best one's."""
    better, name = column["better"], column["id"]
    values = {row["norm"]: row["values"][name] for row in rows if name in row["values"]}
    finite = {norm: m["value"] for norm, m in values.items() if m["value"] is not None}
    if better is None or len(finite) < 2:
        return {}
    best_value = (min if better == "low" else max)(finite.values())
    marks = {norm: BEST for norm, value in finite.items() if value == best_value}
    best = values[next(iter(marks))]
    if best["low"] is None or best["high"] is None:
        return marks
    for norm in finite:
        low, high = values[norm]["low"], values[norm]["high"]
        if norm not in marks and low is not None and high is not None:
            reaches = low <= best["high"] if better == "low" else high >= best["low"]
            if reaches:
                marks[norm] = CLOSE
    return marks
