"""Verdict by verdict: what each study found, and whether they agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, pairwise, starmap
from typing import Literal, NamedTuple, TypeVar

from normkit.report import tables
from normkit.report.comparison.cautions import MEASURE, concerning
from normkit.report.comparison.facts import norms
from normkit.report.comparison.schema import (
    Agreement,
    Caution,
    Cell,
    Claim,
    Contradiction,
    Question,
    Row,
)
from normkit.report.comparison.subject import same_subject
from normkit.report.comparison.texts import listed, plain, said
from normkit.report.schema import Results, Text, Verdict

Key = tuple[str, str]
"""A claim and a question of it."""

Item = TypeVar("Item")


class Given(NamedTuple):
    """A verdict, the study that gives it, and how that says it was measured."""

    study: Results
    measured: Text
    verdict: Verdict


_SIDES = {
    "supported": "supported_in",
    "refuted": "refuted_in",
    "inconclusive": "inconclusive_in",
}


def compared(studies: Mapping[str, Results], cautions: Sequence[Caution]) -> list[Claim]:
    """Every claim of any study, with every verdict of any of them."""
    results = list(studies.values())
    otherwise = measured_otherwise(results)
    claims: list[Claim] = []
    for name, first in _union((claim["id"], claim) for s in results for claim in s["claims"]):
        asked = [_questions(study, name) for study in results]
        questions: list[Question] = []
        for question, model in _union((id_, vs[0]) for each in asked for id_, vs in each.items()):
            given = [v for each in asked for v in each.get(question, [])]
            depends = {condition for v in given for condition in v.get("depends", [])}
            marked = [MEASURE] if (name, question) in otherwise else []
            questions.append(
                {
                    "id": question,
                    "what": model["what"],
                    "primary": model["primary"],
                    "cautions": concerning(depends, cautions) + marked,
                    "rows": _rows(results, name, question, given),
                }
            )
        questions.sort(key=lambda each: not each["primary"])
        claims.append(
            {
                "id": name,
                "title": first["title"],
                "headline": first["headline"],
                "questions": questions,
            }
        )
    return claims


def agreement(given: Sequence[Given]) -> Agreement:
    """How one verdict came out over the studies that measured it."""
    if len(given) < 2:
        return "alone"
    if len({_measure(each.measured, each.verdict) for each in given}) > 1:
        return "other_measure"
    if any(_rules(a.verdict) != _rules(b.verdict) for a, b in pairwise(given)):
        return "unlike"
    outcomes = {each.verdict["outcome"] for each in given}
    if {"supported", "refuted"} <= outcomes:
        return "contradict" if any(starmap(_contradict, combinations(given, 2))) else "opposite"
    return "agree" if len(outcomes) == 1 else "open"


def opposed(
    claims: Sequence[Claim], names: Sequence[str], how: Literal["contradict", "opposite"]
) -> list[Contradiction]:
    """Each verdict that is supported in one study and refuted in another, as a sentence."""
    return [
        {
            "claim": claim["id"],
            "question": question["id"],
            "norm": row["norm"],
            "text": said(
                "contradiction",
                title=claim["title"],
                what=question["what"],
                norm=f"`{row['norm']}`",
                sides=_sides(row, names),
            ),
        }
        for claim in claims
        for question in claim["questions"]
        for row in question["rows"]
        if row["agreement"] == how
    ]


def measured_otherwise(results: Sequence[Results]) -> set[Key]:
    """The questions whose measurement the studies describe in different words."""
    told: dict[Key, set[tuple[str, ...]]] = {}
    for study in results:
        for claim in study["claims"]:
            for verdict in claim["verdicts"]:
                way = _measure(claim["measured"], verdict)
                told.setdefault((claim["id"], verdict["id"]), set()).add(way)
    return {key for key, ways in told.items() if len(ways) > 1}


def _measure(measured: Text, verdict: Verdict) -> tuple[str, ...]:
    return measured["en"], verdict["what"]["en"], verdict["unit"]["en"]


def _contradict(one: Given, other: Given) -> bool:
    """Whether they are opposed on the same data and model; on other ones they may well be."""
    outcomes = {one.verdict["outcome"], other.verdict["outcome"]}
    return outcomes == {"supported", "refuted"} and same_subject(one.study, other.study)


def _rules(verdict: Verdict) -> object:
    return verdict["claimed"], verdict["style"], verdict["delta"], verdict["no_effect"]


def _sides(row: Row, names: Sequence[str]) -> Text:
    sides = []
    for outcome, word in _SIDES.items():
        those = [
            _named(name, cell["verdict"])
            for name, cell in zip(names, row["cells"], strict=True)
            if cell["verdict"] and cell["verdict"]["outcome"] == outcome
        ]
        if those:
            sides.append(said(word, studies=_enumerated(those)))
    return listed(sides, "comma")


def _enumerated(names: Sequence[Text]) -> Text:
    """Names as a sentence lists them: with an "and" before the last."""
    *others, last = names
    return listed([listed(others), last], "and") if others else last


def _named(name: str, verdict: Verdict) -> Text:
    """A study's name, and whether what it found is exploratory there."""
    if not verdict["exploratory"]:
        return plain(name)
    beside = said("parentheses", inside=said("exploratory"))
    return {"en": name + beside["en"], "zh": name + beside["zh"]}


def _rows(
    results: Sequence[Results], claim: str, question: str, given: Iterable[Verdict]
) -> list[Row]:
    judged = {verdict["norm"] for verdict in given}
    order = dict.fromkeys(norm for study in results for norm in norms(study))
    rows: list[Row] = []
    for norm in order:
        if norm in judged:
            cells = [_cell(study, claim, question, norm) for study in results]
            found = [
                Given(study, _measured(study, claim), cell["verdict"])
                for study, cell in zip(results, cells, strict=True)
                if cell["verdict"]
            ]
            rows.append({"norm": norm, "agreement": agreement(found), "cells": cells})
    return rows


def _cell(study: Results, claim: str, question: str, norm: str) -> Cell:
    asked = _questions(study, claim)
    for verdict in asked.get(question, []):
        if verdict["norm"] == norm:
            return {"verdict": verdict, "missing": None}
    if claim not in {each["id"] for each in study["claims"]}:
        reason = "no_claim_there"
    elif norm not in norms(study):
        reason = "no_norm_there"
    else:
        reason = "not_asked_there" if question in asked else "no_question_there"
    return {"verdict": None, "missing": missing(study, reason)}


def missing(study: Results, reason: str) -> Text:
    """Why a number is not there, and where to look for more."""
    told = [said(reason)]
    if not study["complete"]:
        told.append(said("unfinished"))
    if study["dropped"]:
        told.append(said("see_dropped"))
    return listed(told, "clause_separator")


def _measured(study: Results, claim: str) -> Text:
    return next(each["measured"] for each in study["claims"] if each["id"] == claim)


def _questions(study: Results, claim: str) -> dict[str, list[Verdict]]:
    for each in study["claims"]:
        if each["id"] == claim:
            return {verdicts[0]["id"]: verdicts for verdicts in tables.questions(each)}
    return {}


def _union(named: Iterable[tuple[str, Item]]) -> list[tuple[str, Item]]:
    """Each name once, in order of appearance, with what came first under it."""
    found: dict[str, Item] = {}
    for name, item in named:
        found.setdefault(name, item)
    return list(found.items())
