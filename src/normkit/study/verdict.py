"""How a verdict is reached: an effect, its interval, and the smallest effect that matters."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from scipy import stats

from normkit.study.bilingual import Text, joined, text

Outcome = Literal["supported", "refuted", "inconclusive"]
Condition = Literal["target", "threshold", "machine"]
Interval = tuple[float, float]
CONFIDENCE = 0.95
CONFIRMATORY_SEEDS = 8


@dataclass(frozen=True)
class Effect:
    """An estimate, and its interval at any confidence."""

    value: float
    interval: Callable[[float], Interval]
    seeds: int
    error: float = math.nan
    """Standard error on the scale of the test; NaN where the method has none."""
    degrees: float = math.inf
    """Degrees of freedom of the standard error."""
    systematic: float = 0.0
    """What the interval is wider by on either side, whatever the number of seeds."""
    left_out: int = 0
    """Seeds that gave no number: a run of theirs failed, diverged, or never got so far."""


def exact(value: float, seeds: int, left_out: int = 0) -> Effect:
    """A value without sampling error: an identity, or something counted."""
    return Effect(value, lambda _: (value, value), seeds, left_out=left_out)


def paired(differences: Sequence[float], resolution: float = 0.0) -> Effect:
    """Mean of paired differences with Student's interval over seeds.

    Args:
        differences: one per seed; NaN where a partner is missing, which drops the pair.
        resolution: the step in which the quantity is measured. Differences that all fall on one
            step look as if they had no spread; theirs is taken to be at least that of a value
            rounded to the step, 1/√12 of it for each partner.
    """
    kept = np.array([d for d in differences if math.isfinite(d)], dtype=float)
    n = len(kept)
    mean = float(kept.mean()) if n else math.nan
    if n < 2:
        return Effect(
            mean, lambda confidence: (-math.inf, math.inf), n, left_out=len(differences) - n
        )
    spread = max(float(kept.std(ddof=1)), resolution / math.sqrt(6))
    error = spread / math.sqrt(n)

    def interval(confidence: float) -> Interval:
        half = float(stats.t.ppf((1 + confidence) / 2, n - 1)) * error
        return mean - half, mean + half

    return Effect(mean, interval, n, error, n - 1, left_out=len(differences) - n)


def negated(effect: Effect) -> Effect:
    """The same difference, taken the other way round."""

    def interval(confidence: float) -> Interval:
        low, high = effect.interval(confidence)
        return -high, -low

    return replace(effect, value=-effect.value, interval=interval)


def added(one: Effect, other: Effect) -> Effect:
    """Sum of two independent estimates, with Welch and Satterthwaite's degrees of freedom.

    Reference:
        Satterthwaite, "An approximate distribution of estimates of variance components", 1946.
    """
    variances = one.error**2, other.error**2
    error = math.sqrt(sum(variances))
    value, seeds, left_out = one.value + other.value, one.seeds, one.left_out
    if not math.isfinite(error) or not math.isfinite(value):
        return Effect(value, lambda confidence: (-math.inf, math.inf), seeds, left_out=left_out)
    parts = variances[0] ** 2 / one.degrees + variances[1] ** 2 / other.degrees
    degrees = sum(variances) ** 2 / parts if parts else math.inf

    def interval(confidence: float) -> Interval:
        half = float(stats.t.ppf((1 + confidence) / 2, degrees)) * error
        return value - half, value + half

    return Effect(value, interval, seeds, error, degrees, left_out=left_out)


def widened(effect: Effect, by: float) -> Effect:
    """The effect, its interval wider by a systematic error: that of a grid, say."""

    def interval(confidence: float) -> Interval:
        low, high = effect.interval(confidence)
        return low - by, high + by

    return replace(effect, interval=interval, systematic=effect.systematic + by)


def share_difference(successes: int, comparator: int, trials: int, seeds: int) -> Effect:
    """Difference of two shares, by exact binomial (Clopper–Pearson) intervals.

    Each share's interval is taken at half the error, so the difference of their ends covers at
    least at the stated confidence. The trials must be independent of each other.
    """
    if not trials:
        return Effect(math.nan, lambda confidence: (-math.inf, math.inf), 0)

    def interval(confidence: float) -> Interval:
        each = 1 - (1 - confidence) / 2
        a = stats.binomtest(successes, trials).proportion_ci(each, "exact")
        b = stats.binomtest(comparator, trials).proportion_ci(each, "exact")
        return float(a.low - b.high), float(a.high - b.low)

    low, high = interval(CONFIDENCE)
    error = (high - low) / 2 / float(stats.norm.ppf((1 + CONFIDENCE) / 2))
    return Effect((successes - comparator) / trials, interval, seeds, error)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One claim's answer for one norm."""

    id: str
    what: Text
    norm: str
    primary: bool
    effect: Effect
    delta: float
    claimed: Literal["greater", "less", "equal"]
    style: Literal["ratio", "difference", "points", "share", "log10", "value"]
    unit: Text
    no_effect: float = 0.0
    exploratory: bool = False
    confidence: float = CONFIDENCE
    note: Text | None = None
    lower_bound: bool = False
    """The effect can only be larger than measured, so that it cannot be refuted."""
    undecided: Text | None = None
    """Why no verdict can be given, whatever the interval: "comparator never trained", say."""
    depends: tuple[Condition, ...] = ()
    """What the effect stands on that another study may find otherwise, for comparing studies."""

    @property
    def outcome(self) -> Outcome:
        """Supported, refuted or inconclusive, by where the whole interval lies."""
        return self._outcome_at(self.confidence)

    def _outcome_at(self, confidence: float) -> Outcome:
        if self.undecided is not None or not math.isfinite(self.effect.value):
            return "inconclusive"
        low, high = self.effect.interval(confidence)
        if self.claimed == "equal":
            # An identity has a tolerance, not a test.
            return "supported" if abs(self.effect.value) <= self.delta else "refuted"
        if self.claimed == "less":
            low, high, delta = -high, -low, -self.delta
        else:
            delta = self.delta
        if low > delta:
            return "supported"
        return "refuted" if high < delta and not self.lower_bound else "inconclusive"

    @property
    def error_level(self) -> float:
        """The smallest 1 − confidence at which this verdict is decided: its two-sided p-value."""
        if self._outcome_at(0.0) == "inconclusive":
            return 1.0
        decided, undecided = 0.0, 1.0 - 1e-12
        for _ in range(50):
            middle = (decided + undecided) / 2
            if self._outcome_at(middle) == "inconclusive":
                undecided = middle
            else:
                decided = middle
        return 1 - decided

    @property
    def detectable(self) -> float:
        """The smallest effect that this run would have called supported four times in five."""
        if not math.isfinite(self.effect.error):
            return math.nan
        degrees = self.effect.degrees
        reach = float(stats.t.ppf((1 + self.confidence) / 2, degrees) + stats.t.ppf(0.8, degrees))
        sign = -1 if self.claimed == "less" else 1
        return self.delta + sign * (reach * self.effect.error + self.effect.systematic)

    def to_dict(self) -> dict[str, Any]:
        """As the results document has it; ratios leave the log scale here."""
        low, high = self.effect.interval(self.confidence)

        def shown(value: float) -> float | None:
            if not math.isfinite(value):
                return None
            return math.exp(value) if self.style == "ratio" else value

        return {
            "id": self.id,
            "what": self.what,
            "norm": self.norm,
            "primary": self.primary,
            "outcome": self.outcome,
            "exploratory": self.exploratory,
            "effect": shown(self.effect.value),
            "low": shown(low),
            "high": shown(high),
            "delta": shown(self.delta),
            "no_effect": shown(self.no_effect),
            "claimed": self.claimed,
            "style": self.style,
            "unit": self.unit,
            "depends": list(self.depends),
            "confidence": self.confidence,
            "seeds": self.effect.seeds,
            "detectable": shown(self.detectable),
            "note": self.undecided or self._told,
        }

    @property
    def _told(self) -> Text | None:
        """The note, and how many seeds are not in the effect."""
        if not (left_out := self.effect.left_out):
            return self.note
        before = text(f"{self.note['en']}; ", f"{self.note['zh']}；") if self.note else text("", "")
        planned = self.effect.seeds + left_out
        return joined(
            before,
            text(
                f"{left_out} of {planned} seeds left out: a run failed, or gave nothing to compare",
                f"{planned} 个随机种子中有 {left_out} 个未计入：有试验出错，或没有可比较的数值",
            ),
        )


def holm(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Holm's step-down over verdicts that are judged together: 95 % for the family as a whole.

    The clearest verdict is judged at 1 − 0.05/m, the next at 1 − 0.05/(m − 1), and so on; once
    one stays inconclusive, so do the rest. Each interval is shown at the confidence it is judged.

    Reference:
        Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    order = sorted(range(len(verdicts)), key=lambda i: verdicts[i].error_level)
    judged = list(verdicts)
    level = 1 - CONFIDENCE
    stopped = False
    for rank, index in enumerate(order):
        if not stopped:
            level = (1 - CONFIDENCE) / (len(order) - rank)
        judged[index] = replace(verdicts[index], confidence=1 - level)
        stopped = stopped or judged[index].outcome == "inconclusive"
    return judged
