"""What a claim is, and what its judge returns."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from normkit.study.bilingual import Text
from normkit.study.context import Context
from normkit.study.verdict import Outcome, Verdict

Figure = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """A claim's verdicts and the figures that show what they rest on."""

    verdicts: list[Verdict]
    figures: list[Figure]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One thing that is said of normalization, and how a study puts it to the test."""

    id: str
    order: int
    title: Text
    textbook: Text
    measured: Text
    contested: Text
    advice: dict[Outcome, Text]
    """What to do, by the outcome for the headline norm."""
    judge: Callable[[Context], Finding]
    headline: bool = False


@dataclass(frozen=True)
class Axis:
    """A figure's axis: a field of its rows, in words and with its scale."""

    field: str
    label: Text
    scale: str = "linear"

    def to_dict(self) -> dict[str, Any]:
        """As the results document has it."""
        return {"field": self.field, "label": self.label, "scale": self.scale}


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A figure: what is drawn is its rows, and its rows are its CSV."""

    id: str
    title: Text
    caption: Text
    kind: str
    x: Axis
    y: Axis
    rows: list[dict[str, Any]]
    series: str | None = "norm"
    low: str | None = None
    high: str | None = None
    facet: str | None = None
    facets: dict[str, Text] = field(default_factory=dict)
    value: dict[str, Any] | None = None
    references: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> Figure:
        """As the results document has it."""
        return {**vars(self), "x": self.x.to_dict(), "y": self.y.to_dict()}


def band(
    field: str, values: Sequence[float], mean: Callable[[Sequence[float]], float] = statistics.fmean
) -> dict[str, Any]:
    """A part of a figure's row: a quantity's mean over seeds, its ends, and how many seeds.

    >>> band("accuracy", [0.5, 1.0])
    {'accuracy': 0.75, 'low': 0.5, 'high': 1.0, 'seeds': 2}
    """
    return {field: mean(values), "low": min(values), "high": max(values), "seeds": len(values)}
