"""What one trial found."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from normkit.study.spec import TrialSpec

Point = dict[str, float | None]


@dataclass(frozen=True)
class Record:
    """A finished trial.

    `status` is "ok", or "diverged" where the loss stopped being finite: an outcome, not an error.
    `times` holds all that is measured in seconds and so differs from run to run; the rest is
    the same, bit for bit, whenever the same specification runs on the same machine.
    """

    spec: TrialSpec
    status: str
    curve: list[Point]
    final: Point
    probes: dict[str, Any]
    times: dict[str, Any] = field(default_factory=dict)
    unmeasured: dict[str, str] = field(default_factory=dict)
    """Probes that raised, and what; the trial is none the worse for them."""

    @property
    def accuracy(self) -> float:
        """Final training accuracy on the fixed subset, in evaluation mode; 0 if it diverged."""
        value = self.final.get("train_accuracy")
        return 0.0 if value is None or self.status != "ok" else value

    def value(self, name: str) -> float:
        """A final value, or NaN where it was not finite."""
        value = self.final.get(name)
        return math.nan if value is None else value

    def column(self, name: str) -> list[float]:
        """One quantity along the curve, NaN where it was not finite."""
        return [math.nan if (value := point.get(name)) is None else value for point in self.curve]

    def training(self) -> dict[str, Any]:
        """What must come out the same if the trial is run again."""
        return {"status": self.status, "curve": self.curve, "final": self.final}


def finite(value: float) -> float | None:
    """A number as it is stored: null where it is not finite."""
    return value if math.isfinite(value) else None


def first_above(record: Record, column: str, target: float) -> float | None:
    """The step at which a rising quantity first passes `target`; None if it never does.

    Between two checkpoints it is taken to rise linearly in log(step).
    """
    steps, values = record.column("step"), record.column(column)
    for i, value in enumerate(values):
        if value >= target:
            if i == 0 or not math.isfinite(values[i - 1]) or value == values[i - 1]:
                return max(steps[i], 1.0)
            share = (target - values[i - 1]) / (value - values[i - 1])
            low, high = (math.log(max(step, 1.0)) for step in steps[i - 1 : i + 1])
            return math.exp(low + share * (high - low))
    return None
