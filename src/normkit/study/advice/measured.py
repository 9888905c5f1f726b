"""Numbers of a study as advice tells them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from normkit.report import formats
from normkit.study.bilingual import Text, text
from normkit.study.context import Runs
from normkit.study.record import Record
from normkit.study.verdict import CONFIDENCE, Effect, Verdict, paired

Judged = Mapping[str, Sequence[Verdict]]
"""Every claim's verdicts."""


def mean(by_seed: Mapping[int, Record], name: str, seeds: Collection[int]) -> float:
    """Mean over these seeds of a final value; infinite where none is finite."""
    values = [v for seed in seeds if math.isfinite(v := by_seed[seed].value(name))]
    return statistics.fmean(values) if values else math.inf


def percent(value: float) -> str:
    """A share as a reader sees it."""
    return formats.column(value if math.isfinite(value) else None, "percent")


def error_text(by_seed: Mapping[int, Record]) -> str:
    """The mean test error and its interval over seeds."""
    effect = paired([record.value("test_error") for record in by_seed.values()])
    low, high = effect.interval(CONFIDENCE)
    if not math.isfinite(low):
        return percent(effect.value)
    interval = formats.column_interval(max(low, 0.0), min(high, 1.0), "percent")
    return f"{percent(effect.value)} {interval}"


def effect_text(verdict: Verdict) -> Text:
    """A verdict's effect and its interval, in words."""
    document: Any = verdict.to_dict()
    english, chinese = (formats.effect(document, word) for word in ("pp", "个百分点"))
    if document["low"] == document["high"]:
        return text(english[0], chinese[0])
    return text(" ".join(english).strip(), " ".join(chinese).strip())


def find(judged: Judged, claim: str, id_: str, norm: str) -> Verdict | None:
    """A verdict that could be measured; None where there is none."""
    for verdict in judged.get(claim, ()):
        if (verdict.id, verdict.norm) == (id_, norm) and math.isfinite(verdict.effect.value):
            return None if verdict.undecided else verdict
    return None


def apart(runs: Runs, norm: str, best: str) -> Effect:
    """Points of test error, the norm minus the best, over the seeds that both have."""
    shared = [s for s in runs[norm] if s in runs[best]]
    return paired(
        [
            runs[norm][s].value("test_error") - runs[best][s].value("test_error")
            for s in sorted(shared)
        ]
    )


def is_clear(effect: Effect) -> bool:
    """Whether the interval leaves no effect out."""
    low, high = effect.interval(CONFIDENCE)
    return low > 0 or high < 0


def lower(sentence: str) -> str:
    """A sentence as it goes on after another."""
    return sentence[0].lower() + sentence[1:]
