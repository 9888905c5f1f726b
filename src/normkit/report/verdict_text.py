"""A verdict's numbers as text, the same in the page and in the terminal."""

from __future__ import annotations

from dataclasses import dataclass

from normkit.report import confidence, formats
from normkit.report.schema import Verdict
from normkit.report.words import Words


@dataclass(frozen=True)
class VerdictText:
    """The effect with its unit, and all that qualifies it."""

    effect: str
    interval: str  # empty where there is none
    confidence: str  # the interval's, empty where there is none or nothing was sampled
    logarithm: str  # the exponents behind a log10 effect, else empty
    threshold: str  # where the claim holds
    detectable: str

    @classmethod
    def of(cls, verdict: Verdict, words: Words) -> VerdictText:
        """Write a verdict's numbers in a language."""
        points, style = words("points"), verdict["style"]
        effect, interval = formats.effect(verdict, points)
        if verdict["low"] == verdict["high"]:
            interval = ""  # What is counted, or an identity, has no interval.
        share = confidence.of(verdict) if interval else None
        unit = words.pick(verdict["unit"])
        # A unit in Chinese parentheses brings its own space.
        spaced = unit if unit.startswith("\uff08") else f" {unit}"
        # Factors of ten and percentage points already say what they are.
        named = spaced if unit and style in ("difference", "value") else ""
        threshold = formats.threshold(verdict, points)
        if unit and style in ("difference", "value", "ratio"):
            threshold += spaced
        return cls(
            effect + named if verdict["effect"] is not None else effect,
            interval,
            words("confidence", percent=confidence.percent(share)) if share else "",
            formats.logarithm(verdict),
            threshold,
            formats.position(verdict["detectable"], style, points),
        )
