"""A verdict at a glance: an effect's interval against no effect and against δ."""

from __future__ import annotations

import math
from collections.abc import Sequence

from normkit.report.formats import claimed_range
from normkit.report.schema import Verdict

WIDTH, HEIGHT = 132, 18
_MIDDLE = HEIGHT / 2


class Scale:
    """One scale for the verdicts of a row, so that their pictures compare.

    It holds every effect, δ and no effect; an interval that reaches far beyond them is cut, with an
    arrow.
    """

    def __init__(self, verdicts: Sequence[Verdict]) -> None:
        self.log = all(verdict["style"] == "ratio" for verdict in verdicts)
        marks = [self._scaled(value) for verdict in verdicts for value in _landmarks(verdict)]
        finite = [mark for mark in marks if mark is not None]
        low, high = min(finite, default=0.0), max(finite, default=1.0)
        room = (high - low) or abs(high) or 1.0
        ends = [self._scaled(verdict[end]) for verdict in verdicts for end in ("low", "high")]
        known = [end for end in ends if end is not None]
        low = max(low - room, min([low - 0.2 * room, *known]))
        high = min(high + room, max([high + 0.2 * room, *known]))
        self.low, self.high = low - 0.06 * (high - low), high + 0.06 * (high - low)

    def _scaled(self, value: float | None) -> float | None:
        if value is None:
            return None
        if not self.log:
            return value
        return math.log(value) if value > 0 else None

    def at(self, value: float | None, missing: float) -> float:
        """Where a value lies, in pixels, cut to the picture; `missing` stands for a null."""
        scaled = self._scaled(value)
        if scaled is None:
            return missing
        share = (scaled - self.low) / (self.high - self.low)
        return round(WIDTH * min(1.0, max(0.0, share)), 1)


def _landmarks(verdict: Verdict) -> list[float | None]:
    delta, none = verdict["delta"], verdict["no_effect"]
    marks = [verdict["effect"], delta, none]
    if verdict["claimed"] == "equal" and delta is not None and none is not None:
        marks += claimed_range(delta, none, verdict["style"])
    return marks


def strip(verdict: Verdict, scale: Scale) -> str:
    """The picture of one verdict as SVG; the text beside it says the same, so it is decoration."""
    if verdict["effect"] is None and verdict["low"] is None and verdict["high"] is None:
        return ""
    parts = [_claimed(verdict, scale)]
    if verdict["no_effect"] is not None:
        at = scale.at(verdict["no_effect"], 0)
        parts.append(f'<path class="no-effect" d="M{at} 1V{HEIGHT - 1}"/>')
    low, high = scale.at(verdict["low"], 0), scale.at(verdict["high"], WIDTH)
    if verdict["low"] is not None or verdict["high"] is not None:
        parts.append(f'<path class="span" d="M{low} {_MIDDLE}H{high}"/>')
        if low <= 0:
            parts.append(f'<path class="arrow" d="M5 {_MIDDLE - 4}L0 {_MIDDLE}l5 4"/>')
        if high >= WIDTH:
            parts.append(
                f'<path class="arrow" d="M{WIDTH - 5} {_MIDDLE - 4}L{WIDTH} {_MIDDLE}l-5 4"/>'
            )
    if verdict["effect"] is not None:
        at = scale.at(verdict["effect"], WIDTH)
        parts.append(f'<circle class="dot" cx="{at}" cy="{_MIDDLE}" r="4"/>')
    return (
        f'<svg class="strip" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'aria-hidden="true" focusable="false">{"".join(parts)}</svg>'
    )


def _claimed(verdict: Verdict, scale: Scale) -> str:
    """The shaded side on which the claim holds, and δ at its edge."""
    delta = verdict["delta"]
    if delta is None:
        return ""
    edges = [scale.at(delta, 0)]
    first, last = 0.0, float(WIDTH)
    if verdict["claimed"] == "greater":
        first = edges[0]
    elif verdict["claimed"] == "less":
        last = edges[0]
    else:
        ends = claimed_range(delta, verdict["no_effect"] or 0.0, verdict["style"])
        edges = [scale.at(ends[0], 0), scale.at(ends[1], WIDTH)]
        first, last = edges
    zone = f'<rect class="zone" x="{first}" y="0" width="{last - first:.1f}" height="{HEIGHT}"/>'
    return zone + "".join(f'<path class="delta" d="M{edge} 0V{HEIGHT}"/>' for edge in edges)
