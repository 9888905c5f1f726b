"""What the measurements of `gpu.py` come to, beside what they should be."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

import gpu_steps
from normkit.bench.cases import DTYPES
from normkit.bench.document import Row

COMPILED = ("compile", "compile_max_autotune")
RIVALS = ("eager", *COMPILED)
LARGE = 50e6
"""Bytes of a map that no cache holds."""

Paths = Mapping[str, Row]
"""The rows of one shape that were timed, by the path."""


@dataclass(frozen=True)
class Line:
    """A figure, or None where it was not measured, and the target, which is a bound of it."""

    what: str
    measured: float | None
    target: float
    at_least: bool = True

    @property
    def verdict(self) -> str:
        """Whether it is."""
        if self.measured is None:
            return "not measured"
        reached = self.measured >= self.target if self.at_least else self.measured <= self.target
        return "reached" if reached else "missed"


def of_layers(method: str, rows: Sequence[Row]) -> Iterator[Line]:
    """What the bench of one method comes to."""
    timed = [row for row in rows if row["median"] is not None]
    # A path that is wrong, or raises, is in none of the means.
    yield Line(f"{method}: paths right and timed, of {len(rows)}", len(timed), len(rows))
    shapes: dict[tuple[int, ...], dict[str, Row]] = {}
    for row in timed:
        shapes.setdefault(tuple(row["shape"]), {})[row["contestant"]] = row
    compared = [paths for paths in shapes.values() if "normkit" in paths]
    yield Line(f"{method}: eager over normkit", _over(compared, "eager"), 1.8)
    for name in COMPILED:
        yield Line(f"{method}: {name} over normkit", _over(compared, name), 1.15)
    least = [min(ratios) for paths in compared if (ratios := [*_ratios(paths, RIVALS)])]
    yield Line(f"{method}: least, over the best of these", min(least, default=None), 0.95)
    shares = [
        1 / over
        for paths in compared
        if _bytes(paths["normkit"]) > LARGE and (over := paths["normkit"]["times_floor"])
    ]
    share = min(shares, default=None)
    yield Line(f"{method}: least share of the floor's speed, large maps", share, 0.80)
    errors = [
        ours / theirs
        for paths in compared
        if "eager" in paths
        and (ours := paths["normkit"]["error"])
        and (theirs := paths["eager"]["error"])
    ]
    mean = statistics.geometric_mean(errors) if errors else None
    yield Line(f"{method}: largest errors, of eager's, in the mean", mean, 1.0, at_least=False)


def _over(shapes: Sequence[Paths], rival: str) -> float | None:
    found = [ratio for paths in shapes for ratio in _ratios(paths, [rival])]
    return statistics.geometric_mean(found) if found else None


def _ratios(paths: Paths, rivals: Sequence[str]) -> Iterator[float]:
    """The time of each that was timed over normkit's."""
    ours = paths["normkit"]["median"]
    for rival in rivals:
        if rival in paths and (theirs := paths[rival]["median"]) and ours:
            yield theirs / ours


def _bytes(row: Row) -> int:
    return math.prod(row["shape"]) * DTYPES[row["dtype"]].itemsize


def of_steps(row: Mapping[str, Any]) -> Iterator[Line]:
    """What the training step of ResNet-50 comes to."""
    yield Line("ResNet-50: eager's step over fuse_'s", row["ratio"]["fuse_"]["median"], 1.15)
    lean = gpu_steps.memory(row, "fuse_, lean()")
    yield Line("ResNet-50: peak memory with lean(), of eager's", lean, 0.65, at_least=False)
    far = {arm: distance["median"] for arm, distance in row["from_float64"].items()}
    error = far["fuse_"] / far["eager"]
    yield Line("ResNet-50: gradients' distance, of eager's", error, 1.0, at_least=False)


def short(lines: Sequence[Line], tests: str) -> Table:
    """The last table."""
    shown = Table(title="Measured, and what it should be", title_justify="left")
    for head in ("", "measured", "should be", ""):
        shown.add_column(head, justify="left" if head == "" else "right")
    for line in lines:
        measured = "–" if line.measured is None else f"{line.measured:.3f}"
        bound = f"{'≥' if line.at_least else '≤'} {line.target:.2f}"
        shown.add_row(line.what, measured, bound, line.verdict)
    shown.add_row("tests on the GPU", "", "", tests)
    return shown
