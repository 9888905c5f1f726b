"""The deepest network is found by deepening until none trains, at its base rate or a lower one."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from normkit.study.claims.depth import _log_ratio, deepest, deepest_tried, half_octave
from normkit.study.record import Record
from normkit.study.spec import TrialSpec

SPEC = TrialSpec(data="d", model="plain", norm="none", seed=0, rate=0.1, steps=100, batch=2)


class Ladder:
    """A context in which the network with seed s trains at the depths and rates in `trains[s]`."""

    def __init__(
        self, trains: dict[int, set[tuple[int, float]]], failed: int | None = None, start: int = 8
    ) -> None:
        self.trains, self.failed = trains, failed
        self.asked: list[TrialSpec] = []
        self.recipe = SimpleNamespace(
            depth=start,
            rates={"none": 0.1},
            trains=lambda record: record is not None and record.accuracy > 0.5,
        )
        self.plan = SimpleNamespace(
            arms=lambda claim: ("none",),
            deepening_seeds_of=lambda norm: tuple(trains),
            deepening=4.0,
            prototype=SPEC.but(depth=8),
        )

    def base(self, norm: str, seed: int, rate: float) -> TrialSpec:
        return SPEC.but(norm=norm, seed=seed, rate=rate)

    def need(self, specs: list[TrialSpec]) -> list[Record | None]:
        self.asked += specs
        return [
            None
            if spec.depth == self.failed
            else Record(
                spec,
                "ok",
                [],
                {"train_accuracy": float((spec.depth, spec.rate) in self.trains[spec.seed])},
                {},
            )
            for spec in specs
        ]


def found(ladder: Ladder) -> int | None:
    return deepest(ladder)[0].get(("none", 0))


def test_it_deepens_until_a_network_fails_to_train() -> None:
    assert found(Ladder({0: {(8, 0.1), (12, 0.1), (16, 0.1)}})) == 16


def test_a_depth_that_trains_at_a_lower_rate_counts() -> None:
    ladder = Ladder({0: {(8, 0.1), (12, 0.03), (16, 0.01), (22, 0.003)}})
    assert found(ladder) == 16
    # The lower rates are tried only where the higher ones fail.
    assert [spec.rate for spec in ladder.asked if spec.depth == 8] == [0.1]
    assert [spec.rate for spec in ladder.asked if spec.depth == 22] == [0.1, 0.03, 0.01]


def test_a_deeper_network_beyond_one_that_fails_does_not_count() -> None:
    assert found(Ladder({0: {(8, 0.1), (16, 0.1)}})) == 8


def test_where_the_base_depth_fails_it_goes_down_to_one_that_trains() -> None:
    assert found(Ladder({0: {(4, 0.1)}})) == 4


def test_where_no_depth_trains_it_is_zero() -> None:
    assert found(Ladder({0: set()})) == 0


def test_it_stops_at_four_times_the_depth_of_the_model() -> None:
    everything = {(depth, 0.1) for depth in range(1, 200)}
    assert found(Ladder({0: everything})) == 32
    assert deepest_tried(Ladder({0: everything})) == 32


def test_from_a_shallower_base_recipe_it_stops_at_the_same_depth() -> None:
    everything = {(depth, 0.1) for depth in range(1, 200)}
    assert found(Ladder({0: everything}, start=4)) == 32


@pytest.mark.parametrize(
    ("norm", "none", "ratio"),
    [(16, 8, 2.0), (0, 8, 1 / 8), (8, 0, 8.0), (0, 0, None), (None, 8, None), (8, None, None)],
)
def test_an_arm_that_trains_at_no_depth_is_not_left_out_for_it(norm, none, ratio) -> None:
    found = _log_ratio(norm, none)
    assert math.isnan(found) if ratio is None else found == pytest.approx(math.log(ratio))


def test_a_trial_that_failed_says_nothing_of_its_seed() -> None:
    everything = {(depth, 0.1) for depth in range(1, 200)}
    answers, tried = deepest(Ladder({0: everything, 1: everything}, failed=12))
    assert answers == {}
    assert tried == {}


def test_what_was_tried_is_told_for_the_figure() -> None:
    _, tried = deepest(Ladder({0: {(8, 0.1)}}))
    assert tried == {("none", 0): {8: True, 12: False}}


@pytest.mark.parametrize("depth", [1, 2, 4, 5, 8])
def test_the_grid_keeps_the_base_depth_and_grows(depth: int) -> None:
    grid = [half_octave(depth, step) for step in range(5)]
    assert grid[0] == depth
    assert sorted(grid) == grid
    assert all(value % 2 == 0 for value in grid[1:])
