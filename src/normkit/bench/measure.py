"""One case: every path checked, then those that passed timed in turns."""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Callable, Mapping, Sequence

import torch

from normkit.bench import checking, floor
from normkit.bench.cases import Case
from normkit.bench.contestants import COMPILED, Contestant
from normkit.bench.document import OVER, Row
from normkit.bench.inputs import inputs
from normkit.bench.step import Step
from normkit.bench.timing import Spread, Taken, in_turns

FLOOR = "floor"
WARM_UP = 2


def measure(case: Case, contestants: Sequence[Contestant], rounds: int) -> list[Row]:
    """Check the paths of a case against float64, and time those that pass.

    What PyTorch warns of while they run, such as a format that it has no fast path for, is what is
    being measured, so it is not told.

    Args:
        case: what they compute.
        contestants: the paths.
        rounds: how many times each is timed.

    Returns:
        A row for the floor, and one for each path.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="torch")
        return _measure(case, contestants, rounds)


def _measure(case: Case, contestants: Sequence[Contestant], rounds: int) -> list[Row]:
    if COMPILED in contestants:
        # Or, after a few shapes, the compiler would give up and run the eager path.
        torch.compiler.reset()
    given = inputs(case)
    right = checking.expected(case, given)
    steps: dict[str, Callable[[], object]] = {FLOOR: floor.mover(case, given.x)}
    told = f"{floor.passes(case)} passes, {floor.outputs(case)} of them into new memory"
    rows = [_row(case, FLOOR, told, rounds)]
    for contestant in contestants:
        row = _row(case, contestant.name, "", rounds)
        rows.append(row)
        try:
            step = Step(case, given, contestant.path(case))
            row["how"] = step.how()
            row["error"], row["reason"] = checking.judged(case, step.named(), right)
        # Whatever a path raises, the others are timed.
        except Exception as raised:
            row["reason"] = f"{type(raised).__name__}: {_first_line(raised)}"
            continue
        if row["reason"] is None:
            steps[contestant.name] = step
    del right
    _fill(rows, in_turns(steps, rounds, WARM_UP, case.device))
    return rows


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]


def _row(case: Case, contestant: str, how: str, rounds: int) -> Row:
    return Row(
        method=case.method,
        layout=case.layout,
        dtype=case.dtype,
        shape=list(case.shape),
        direction=case.direction,
        residual=case.residual,
        act=case.act,
        contestant=contestant,
        how=how,
        error=None,
        reason=None,
        rounds=rounds,
        passes=floor.passes(case),
        median=None,
        q25=None,
        q75=None,
        host=None,
        eager_over=None,
        in_place_over=None,
        times_floor=None,
    )


def _fill(rows: list[Row], taken: Mapping[str, Sequence[Taken]]) -> None:
    """Put what was measured into the rows."""
    spreads = {name: Spread.of([each.seconds for each in rounds]) for name, rounds in taken.items()}
    least = spreads[FLOOR]
    for row in rows:
        if row["contestant"] not in spreads:
            continue
        spread = spreads[row["contestant"]]
        row["median"], row["q25"], row["q75"] = spread.median, spread.q25, spread.q75
        queued = [each.host for each in taken[row["contestant"]] if each.host is not None]
        row["host"] = statistics.median(queued) if queued else None
        row["times_floor"] = spread.median / least.median
        for rival, key in OVER.items():
            if rival in spreads:
                row[key] = spreads[rival].median / spread.median  # type: ignore[literal-required]
