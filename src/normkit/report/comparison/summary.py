"""A comparison in a few sentences: contradictions first."""

from __future__ import annotations

from normkit.report.comparison.schema import Agreement, Comparison
from normkit.report.words import Words

COMPARED: tuple[Agreement, ...] = (
    *("agree", "open", "contradict", "opposite", "unlike", "other_measure"),
)
RARE: tuple[Agreement, ...] = ("opposite", "unlike", "other_measure")
"""These are told where there are any."""


def sentence(comparison: Comparison, words: Words) -> str:
    """What contradicts what, and what is opposed on other data or models; or that nothing is."""
    told = [
        words(name, list=words("clause_separator").join(words.pick(each["text"]) for each in found))
        for name, found in (
            ("contradictions", comparison["contradictions"]),
            ("opposites", comparison["opposites"]),
        )
        if found
    ]
    return words("space").join(told) or words("no_contradiction")


def counted(comparison: Comparison, words: Words) -> str:
    """How many verdicts agree, and how many could not be compared."""
    counts = comparison["counts"]
    parts = [
        words("count_of", name=words(each), count=counts[each])
        for each in COMPARED
        if counts[each] or each not in RARE
    ]
    measured = sum(counts[each] for each in COMPARED)
    told = words("counted", measured=measured, counts=words("clause_separator").join(parts))
    if counts["alone"]:
        told += words("space") + words("counted_alone", count=counts["alone"])
    return told
