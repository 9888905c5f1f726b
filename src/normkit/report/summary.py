"""The study in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from normkit.report.schema import Claim, Results, Verdict
from normkit.report.words import Words

GIVEN = "given"
"""The arm of a network that is studied as it is."""

OUTCOMES = ("supported", "refuted", "inconclusive")


@dataclass(frozen=True)
class Summary:
    """Whom the sentence is about, and which claims came out how, in the reader's language."""

    lead: str
    groups: list[tuple[str, list[tuple[str, str]]]]  # outcome → (claim id, claim title)
    seeds: int
    exploratory: bool


def primary(claim: Claim, norm: str | None = None) -> list[Verdict]:
    """The verdicts of a claim that count in the first table."""
    return [
        verdict
        for verdict in claim["verdicts"]
        if verdict["primary"] and norm in (None, verdict["norm"])
    ]


def outcome(verdicts: Sequence[Verdict]) -> str:
    """What a claim comes to for one norm: the first of its primary verdicts answers it."""
    return verdicts[0]["outcome"]


def headline_norm(results: Results) -> str | None:
    """The norm that the summary speaks of: `batch`, or else the one with the most seeds."""
    seeds: dict[str, int] = {}
    for claim in results["claims"]:
        for verdict in primary(claim):
            norm = verdict["norm"]
            seeds[norm] = max(seeds.get(norm, 0), verdict["seeds"])
    if not seeds:
        return None
    return "batch" if "batch" in seeds else max(seeds, key=lambda norm: seeds[norm])


def studied_as_given(results: Results) -> bool:
    """Whether a single network was studied as it is, so that nothing is compared."""
    return [row["norm"] for row in results["choices"]["rows"]] == [GIVEN]


def summarise(results: Results, words: Words) -> Summary | None:
    """Summarise the primary verdicts of the headline norm; None where there is no verdict."""
    norm = headline_norm(results)
    if norm is None:
        return None
    groups: dict[str, list[tuple[str, str]]] = {name: [] for name in OUTCOMES}
    exploratory = True
    for claim in results["claims"]:
        verdicts = primary(claim, norm)
        if verdicts:
            groups[outcome(verdicts)].append((claim["id"], words.pick(claim["title"])))
            exploratory &= verdicts[0]["exploratory"]
    lead_word = "summary_lead_given" if studied_as_given(results) else "summary_lead"
    lead = words(lead_word, data=results["data"]["spec"], norm=words.norm(norm) or norm)
    kept = [(name, claims) for name, claims in groups.items() if claims]
    return Summary(lead, kept, len(results["recipe"]["seeds"]), exploratory)


def sentence(results: Results, words: Words) -> str:
    """The summary as plain text."""
    summary = summarise(results, words)
    if summary is None:
        if studied_as_given(results):
            return words("summary_given", data=results["data"]["spec"])
        return words("summary_nothing")
    clauses = [
        words(name) + words.parentheses(words.join([title for _, title in claims]))
        for name, claims in summary.groups
    ]
    text = f"{summary.lead}{words('space')}{words('clause_separator').join(clauses)}{words('stop')}"
    if summary.exploratory:
        text += words("space") + words("summary_exploratory", seeds=summary.seeds)
    return text
