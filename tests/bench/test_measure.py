"""A path is timed only where it has just been found right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from normkit.bench import measure as room
from normkit.bench.cases import Case
from normkit.bench.contestants import EAGER, IN_PLACE_EAGER, NORMKIT, Contestant, Path
from normkit.bench.document import Row
from normkit.bench.measure import measure
from normkit.bench.timing import Taken

CASE = Case("batch", "contiguous", "float32", (3, 4, 5, 3), residual=True)
ROUNDS = 3


class Planted:
    """The eager path with something done to its output; counts how often it ran."""

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        self.change, self.calls = change, 0

    def contestant(self) -> Contestant:
        return Contestant("planted", "planted", self.path)

    def path(self, case: Case) -> Path:
        right = EAGER.path(case)

        def forward(x: Tensor, residual: Tensor | None) -> Tensor:
            self.calls += 1
            return self.change(right.forward(x, residual))

        return replace(right, forward=forward)


def raising(y: Tensor) -> Tensor:
    raise RuntimeError("no such kernel\nsecond line")


def with_wrong_gradient(y: Tensor) -> Tensor:
    return y.detach() + 1.3 * (y - y.detach())


def row_of(rows: list[Row], name: str) -> Row:
    [row] = [row for row in rows if row["contestant"] == name]
    return row


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda y: y + 0.3 * y.detach().abs().max(), "error 3e-01"),
        (with_wrong_gradient, "error 3e-01"),
        (lambda y: y * torch.nan, "error inf"),
        (lambda y: y[:2], "shape"),
        (raising, "RuntimeError: no such kernel"),
    ],
    ids=["output", "gradient", "nan", "shape", "raises"],
)
def test_a_wrong_path_is_not_timed(change: Callable[[Tensor], Tensor], reason: str) -> None:
    planted = Planted(change)
    rows = measure(CASE, [EAGER, planted.contestant(), NORMKIT], ROUNDS)
    row = row_of(rows, "planted")
    assert planted.calls == 1  # When it was checked, and never again.
    assert reason in row["reason"]
    assert "\n" not in row["reason"]
    untold = ("median", "times_floor", "eager_over", "in_place_over")
    assert [row[key] for key in untold] == [None] * 4
    assert all(row_of(rows, name)["median"] > 0 for name in ("floor", "eager", "normkit"))


def test_statistics_that_do_not_move_are_wrong() -> None:
    def path(case: Case) -> Path:
        right = EAGER.path(case)
        right.layer.momentum = 0.0
        return right

    [_, row] = measure(CASE, [Contestant("planted", "planted", path)], ROUNDS)
    assert row["median"] is None
    assert row["reason"].startswith("running_mean: error")


def test_a_right_path_is_timed_in_every_round() -> None:
    planted = Planted(lambda y: y)
    [_, row] = measure(CASE, [planted.contestant()], ROUNDS)
    assert planted.calls == 1 + room.WARM_UP + ROUNDS
    assert row["reason"] is None
    assert row["error"] < 1e-5
    assert (row["eager_over"], row["in_place_over"]) == (None, None)  # There was no such path.


def test_ratios_and_the_floor_are_those_of_the_medians(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {
        "floor": [5.0, 10.0, 15.0],
        "eager": [60.0, 40.0, 50.0],
        "eager_in_place": [40.0] * 3,
        "normkit": [25.0] * 3,
    }
    taken = {name: [Taken(each, host=each / 5) for each in of] for name, of in seconds.items()}
    monkeypatch.setattr(room, "in_turns", lambda *_: taken)
    floor, eager, in_place, normkit = measure(CASE, [EAGER, IN_PLACE_EAGER, NORMKIT], ROUNDS)
    assert (floor["median"], floor["q25"], floor["q75"]) == (10.0, 7.5, 12.5)
    assert (eager["median"], eager["q25"], eager["q75"]) == (50.0, 45.0, 55.0)
    assert (eager["eager_over"], eager["in_place_over"], eager["times_floor"]) == (1.0, 0.8, 5.0)
    assert (in_place["eager_over"], in_place["in_place_over"]) == (1.25, 1.0)
    assert (normkit["eager_over"], normkit["in_place_over"]) == (2.0, 1.6)
    assert normkit["times_floor"] == 2.5
    assert (floor["host"], normkit["host"]) == (2.0, 5.0)
    assert {row["passes"] for row in (floor, eager, in_place, normkit)} == {10}


def test_on_a_cpu_there_is_no_host_beside_it() -> None:
    assert {row["host"] for row in measure(CASE, [NORMKIT], 1)} == {None}


def test_what_pytorch_warns_of_is_measured_and_not_told() -> None:
    rows = measure(Case("rms", "contiguous", "bfloat16", CASE.shape), [EAGER], 1)
    assert rows[1]["reason"] is None
