"""A comparison in a few sentences: contradictions first."""

from __future__ import annotations

from typing import Literal

from normkit.report.comparison.schema import Comparison
from normkit.report.words import Words

COMPARABLE: tuple[Literal["agree", "open", "contradict", "unlike"], ...] = (
    "agree",
    "open",
    "contradict",
    "unlike",
)


def sentence(comparison: Comparison, words: Words) -> str:
    """What contradicts what; or that nothing does."""
    found = [words.pick(each["text"]) for each in comparison["contradictions"]]
    if not found:
        return words("no_contradiction")
    return words("contradictions", list=words("clause_separator").join(found))


def counted(comparison: Comparison, words: Words) -> str:
    """How many verdicts agree, and how many could not be compared."""
    counts = comparison["counts"]
    parts = [
        words("count_of", name=words(each), count=counts[each])
        for each in COMPARABLE
        # Other rules are rare: they are told where there are any.
        if counts[each] or each != "unlike"
    ]
    measured = sum(counts[each] for each in COMPARABLE)
    told = words("counted", measured=measured, counts=words("clause_separator").join(parts))
    if counts["alone"]:
        told += words("space") + words("counted_alone", count=counts["alone"])
    return told
