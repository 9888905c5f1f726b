"""At what confidence an interval holds, and how that is said."""

from __future__ import annotations

from collections.abc import Iterable

from normkit.report import formats, summary
from normkit.report.schema import CONFIDENCE, Results, Verdict
from normkit.report.words import Words


def of(verdict: Verdict) -> float | None:
    """The confidence of a verdict's interval; None where there is no interval or no sampling.

    What is counted or an identity has an interval of no width, which holds for certain.
    """
    if verdict["low"] == verdict["high"]:
        return None
    return verdict.get("confidence", CONFIDENCE)


def percent(*shares: float) -> str:
    """A confidence, or the range of several, as text.

    >>> percent(0.975), percent(0.95, 0.95, 0.98333)
    ('97.5 %', '95–98.3 %')
    """
    ends = dict.fromkeys(formats.number(100 * end, _digits(end)) for end in _ends(shares))
    return "–".join(ends) + " %"


def _ends(shares: Iterable[float]) -> tuple[float, float]:
    ordered = sorted(shares)
    return ordered[0], ordered[-1]


def _digits(share: float) -> int:
    # Nothing sampled is certain, so no share is to be rounded to 100 %.
    return 3 if share < 0.999 else 6


def line(results: Results, words: Words) -> str:
    """One line for the verdict table: at what confidence its intervals hold; empty for none."""
    norm = summary.headline_norm(results)
    family: list[float] = []
    others: list[float] = []
    for claim in results["claims"]:
        answers = summary.primary(claim, norm)[:1] if claim["headline"] else []
        for verdict in summary.primary(claim):
            share = of(verdict)
            if share is not None:
                (family if verdict in answers else others).append(share)
    if not family + others:
        return ""
    usual = {percent(share) for share in others}
    if len(usual) != 1 or {percent(share) for share in family} <= usual:
        return words("intervals", range=percent(*family, *others))
    return words("intervals_headline", usual=usual.pop(), norm=norm, range=percent(*family))
