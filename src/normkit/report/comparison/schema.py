"""The comparison document, schema 1, as types: what `normkit report A B --format json` prints.

Studies are named, and stand everywhere in the order in which they were given: the lists `values` of
a fact, `cells` of a row and `arms` of a norm have one entry for each. Numbers, texts and verdicts
are those of the studies' own results documents (`report/schema.py`), and mean the same here.

Nothing in it is a test: how studies differ is described, and never judged.
"""

from __future__ import annotations

from typing import Literal, TypedDict

from normkit.report.schema import ColumnFormat, Measured, Text, Verdict

SCHEMA = 1

Agreement = Literal["contradict", "opposite", "open", "agree", "unlike", "other_measure", "alone"]
"""How a verdict came out over the studies that measured it: supported in one and refuted in another
of the same data and model (`contradict`) or of other ones (`opposite`), decided in one and
inconclusive in another (`open`), the same in all (`agree`), judged by other rules (`unlike`),
measured in another way (`other_measure`), or measured in a single study (`alone`)."""

Mark = Literal["best", "close_to_best"]


class Study(TypedDict):
    """A study by its name, with its title; `complete` is false where trials are missing."""

    name: str
    title: Text
    complete: bool


class Fact(TypedDict):
    """One thing that can differ between studies, as text; `same` where it does not."""

    id: str
    title: Text
    values: list[Text]
    same: bool


class Caution(TypedDict):
    """What a reader must know before comparing numbers.

    `short` is for the margin. It concerns all numbers, or else (`everywhere` false) those of the
    questions and columns that name it.
    """

    id: str
    short: Text
    text: Text
    everywhere: bool


class Cell(TypedDict):
    """A verdict in one study; null where it has none, and then `missing` says why."""

    verdict: Verdict | None
    missing: Text | None


class Row(TypedDict):
    norm: str
    agreement: Agreement
    cells: list[Cell]


class Question(TypedDict):
    """What a claim is judged by; `cautions` holds the ids of those that concern its numbers."""

    id: str
    what: Text
    primary: bool
    cautions: list[str]
    rows: list[Row]


class Claim(TypedDict):
    id: str
    title: Text
    headline: bool
    questions: list[Question]


class Column(TypedDict):
    id: str
    title: Text
    format: ColumnFormat
    better: Literal["low", "high"] | None
    cautions: list[str]


class Arm(TypedDict):
    """A norm in one study: column → value, and the marks it has among that study's norms."""

    seeds: int | None
    exploratory: bool
    values: dict[str, Measured]
    marks: dict[str, Mark]
    missing: Text | None


class Norm(TypedDict):
    norm: str
    arms: list[Arm]


class Choices(TypedDict):
    columns: list[Column]
    norms: list[Norm]
    notes: list[Text]


class Contradiction(TypedDict):
    """A verdict that is supported in one study and refuted in another, in words.

    No contradiction is among the `opposites`, which are of other data or another model.
    """

    claim: str
    question: str
    norm: str
    text: Text


class Comparison(TypedDict):
    schema: int
    kind: Literal["comparison"]
    normkit: str
    title: Text
    studies: list[Study]
    contradictions: list[Contradiction]
    opposites: list[Contradiction]
    counts: dict[Agreement, int]
    cautions: list[Caution]
    facts: list[Fact]
    claims: list[Claim]
    choices: Choices
