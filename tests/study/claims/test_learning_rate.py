"""The largest rate is found by climbing from the best one until a run no longer trains."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from normkit.study.claims.learning_rate import DELTA, LARGEST, difference, largest_rates
from normkit.study.record import Record
from normkit.study.spec import TrialSpec

SPEC = TrialSpec(data="d", model="plain", norm="none", seed=0, rate=0.1, steps=100, batch=2)


class Ladder:
    """A context in which "none" with seed s trains at the rates in `trains[s]`."""

    def __init__(self, trains: dict[int, set[float]], failed: float | None = None) -> None:
        self.trains, self.failed = trains, failed
        self.recipe = SimpleNamespace(
            rates={"none": 0.1}, trains=lambda record: record is not None and record.accuracy > 0.5
        )
        self.plan = SimpleNamespace(
            arms=lambda claim: ("none",), seeds_of=lambda norm: tuple(trains)
        )

    def base(self, norm: str, seed: int, rate: float) -> TrialSpec:
        return SPEC.but(norm=norm, seed=seed, rate=rate)

    def need(self, specs: list[TrialSpec]) -> list[Record | None]:
        return [
            None
            if spec.rate == self.failed
            else Record(
                spec, "ok", [], {"train_accuracy": float(spec.rate in self.trains[spec.seed])}, {}
            )
            for spec in specs
        ]


def test_it_climbs_until_a_run_fails_to_train():
    assert largest_rates(Ladder({0: {0.1, 0.3, 1.0}})) == {("none", 0): 1.0}


def test_a_rate_above_one_that_fails_does_not_count():
    assert largest_rates(Ladder({0: {0.1, 1.0}})) == {("none", 0): 0.1}


def test_where_the_best_rate_fails_it_goes_down_to_one_that_trains():
    assert largest_rates(Ladder({0: {0.01}})) == {("none", 0): 0.01}


def test_it_stops_at_the_top_of_the_grid():
    everything = {0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0}
    assert largest_rates(Ladder({0: everything})) == {("none", 0): LARGEST}


def test_a_seed_that_trains_nowhere_is_censored_below_the_grid():
    assert largest_rates(Ladder({0: set()}))["none", 0] == pytest.approx(3e-5)


def test_seeds_climb_apart():
    found = largest_rates(Ladder({0: {0.1}, 1: {0.1, 0.3}, 2: {0.03}}))
    assert found == {("none", 0): 0.1, ("none", 1): 0.3, ("none", 2): 0.03}


def test_a_trial_that_failed_leaves_its_seed_without_a_pair():
    assert math.isnan(largest_rates(Ladder({0: {0.1, 0.3}}, failed=0.3))["none", 0])


def test_eight_seeds_that_agree_on_a_decade_show_more_than_twice_the_rate():
    low, _ = difference(rates(0.03, 0.3, seeds=8), "batch", range(8)).interval(0.95)
    assert low > DELTA


def test_two_seeds_that_agree_show_nothing():
    low, high = difference(rates(0.03, 0.3, seeds=2), "batch", range(2)).interval(0.95)
    assert low < 0 < DELTA < high


def rates(none: float, norm: float, seeds: int) -> dict[tuple[str, int], float]:
    return {(n, s): rate for n, rate in (("none", none), ("batch", norm)) for s in range(seeds)}
