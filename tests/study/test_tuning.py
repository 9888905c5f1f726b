"""Every arm gets its own best rate from the same grid, and "none" a recipe in which it trains."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from normkit.study.plan import Plan
from normkit.study.record import Record
from normkit.study.spec import TrialSpec
from normkit.study.tuning import best_rate, half_decade, tune

Outcome = Callable[[TrialSpec], tuple[float, float]]


def plan(**changes: object) -> Plan:
    prototype = TrialSpec(
        data="d", model="plain", norm="none", seed=0, rate=0.0, steps=10, batch=2, depth=8
    )
    values = {
        "prototype": prototype,
        "classes": 10,
        "chance": 0.1,
        "norms": ("none", "batch"),
        "headline": "batch",
        "claims": (),
        "seeds": (0, 1),
        "exploratory_seeds": (0,),
        "tuning_seeds": (500, 501),
        "exploratory_tuning_seeds": (500,),
        "gap_seeds": (0, 1, 2, 3),
        "reduced_tuning_seeds": (500, 501, 502),
        "reduced_images": 4,
        "reduced_steps": 20,
    }
    return Plan(**{**values, **changes})


class Trials:
    """Answers with a validation error and a training accuracy, and remembers what was asked."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome, self.asked = outcome, []

    def need(self, specs):
        specs = list(specs)
        self.asked += specs
        return [self._record(spec) for spec in specs]

    def _record(self, spec: TrialSpec) -> Record:
        loss, accuracy = self.outcome(spec)
        status = "ok" if math.isfinite(loss) else "diverged"
        final = {
            "validation_error": loss if status == "ok" else None,
            "validation_loss": 0.5,
            "train_accuracy": accuracy,
        }
        return Record(spec, status, [], final, {})


def bowl(best: float) -> Outcome:
    """A validation error that is lowest at `best`, for a network that trains."""
    return lambda spec: (abs(math.log10(spec.rate / best)) + 0.1, 0.95)


def test_the_best_rate_has_the_lowest_mean_validation_error():
    assert best_rate(plan(), Trials(bowl(0.03)).need, "batch").rate == 0.03


@pytest.mark.parametrize("best", [1.0, 3.0, 0.003, 0.001])
def test_a_best_rate_at_the_edge_widens_the_grid(best):
    assert best_rate(plan(), Trials(bowl(best)).need, "batch").rate == best


def test_the_grid_is_widened_twice_at_most():
    assert best_rate(plan(), Trials(bowl(1e6)).need, "batch").rate == 3.0


def test_a_best_rate_that_stays_at_the_edge_is_told():
    assert tune(plan(), Trials(bowl(0.03)).need).at_edge == ()
    assert tune(plan(), Trials(bowl(1e6)).need).at_edge == ("none", "batch")


def test_an_arm_that_never_learns_has_no_best_rate_at_an_edge():
    def outcome(spec: TrialSpec) -> tuple[float, float]:
        return bowl(0.03)(spec) if spec.norm == "batch" else (2.3 - 1e-3 * spec.rate, 0.1)

    found = tune(plan(), Trials(outcome).need)
    assert found.rates["none"] == max(plan().rates)
    assert found.at_edge == ()


def test_a_grid_on_which_nothing_learns_is_not_widened():
    trials = Trials(lambda spec: (2.3 - 1e-3 * spec.rate, 0.1))
    best_rate(plan(), trials.need, "none")
    assert {spec.rate for spec in trials.asked} == set(plan().rates)


def test_a_rate_at_which_one_seed_diverges_is_worse_than_any_at_which_none_does():
    def outcome(spec: TrialSpec) -> tuple[float, float]:
        if spec.rate == 0.1:
            return (math.inf, 0.0) if spec.seed == 501 else (0.01, 0.99)
        return bowl(0.01)(spec)

    assert best_rate(plan(), Trials(outcome).need, "batch").rate == 0.01


def test_a_search_can_bring_its_own_score():
    def distance_from_a_tenth(runs):
        return (abs(math.log(runs[0].spec.rate / 0.1)),)

    trials = Trials(bowl(0.01))
    found = best_rate(plan(), trials.need, "batch", score=distance_from_a_tenth)
    assert found.rate == 0.1


def test_a_failed_trial_leaves_the_rate_to_its_other_seeds():
    trials = Trials(bowl(0.03))

    def need(specs):
        return [None if r.spec.seed == 501 else r for r in trials.need(specs)]

    assert best_rate(plan(), need, "batch").rate == 0.03


def test_the_models_own_initialisation_is_the_base_where_none_trains_with_it():
    recipe = tune(plan(), Trials(bowl(0.03)).need)
    assert (recipe.found, recipe.init, recipe.depth) == (True, "default", 8)


def trains_only(*, init: str | None, depth: int | None = 8) -> Outcome:
    """ "batch" always trains; "none" only from this start."""

    def outcome(spec: TrialSpec) -> tuple[float, float]:
        if spec.norm == "none" and (spec.init, spec.depth) != (init, depth):
            return 2.3, 0.1
        return bowl(0.03)(spec)

    return outcome


@pytest.mark.parametrize(("init", "depth"), [("he", 8), ("orthogonal", 8), ("he", 4)])
def test_the_first_start_in_which_none_trains_is_the_base(init, depth):
    recipe = tune(plan(), Trials(trains_only(init=init, depth=depth)).need)
    assert (recipe.found, recipe.init, recipe.depth) == (True, init, depth)


def test_a_comparator_that_never_trains_is_told():
    recipe = tune(plan(), Trials(trains_only(init=None)).need)
    assert not recipe.found
    assert recipe.rates["batch"] == 0.03


def test_trained_means_half_way_from_chance_to_the_best_arm():
    recipe = tune(plan(), Trials(bowl(0.03)).need)
    assert recipe.threshold == pytest.approx((0.1 + 0.95) / 2)
    spec = plan().prototype
    assert recipe.trains(Record(spec, "ok", [], {"train_accuracy": 0.53}, {}))
    assert not recipe.trains(Record(spec, "ok", [], {"train_accuracy": 0.52}, {}))
    assert not recipe.trains(Record(spec, "diverged", [], {"train_accuracy": 0.9}, {}))
    assert not recipe.trains(None)


def test_the_target_is_nine_tenths_of_the_way_to_the_slowest_arm_that_trains():
    def outcome(spec: TrialSpec) -> tuple[float, float]:
        return bowl(0.03)(spec)[0], 0.8 if spec.norm == "none" else 0.95

    assert tune(plan(), Trials(outcome).need).target == pytest.approx(0.1 + 0.9 * 0.7)


def test_only_tuning_seeds_are_used():
    trials = Trials(bowl(0.03))
    tune(plan(), trials.need)
    assert {spec.seed for spec in trials.asked} == {500, 501}


def test_half_decades_go_up_and_down_the_same_grid():
    rate = 0.03
    for _ in range(7):
        rate = half_decade(rate, 1)
    assert half_decade(rate, -7) == 0.03


def test_where_nothing_learns_nothing_counts_as_trained():
    trials = Trials(lambda spec: (0.9, 0.1 + 0.01 * (spec.norm == "batch")))
    recipe = tune(plan(), trials.need)
    assert (recipe.found, recipe.learned) == (False, False)
    assert recipe.threshold > 0.15


def test_of_two_classes_luck_in_256_images_is_not_training():
    trials = Trials(lambda spec: (0.4, 0.58))
    assert not tune(plan(classes=2, chance=0.5), trials.need).learned
    trials = Trials(lambda spec: (0.4, 0.7))
    assert tune(plan(classes=2, chance=0.5), trials.need).learned


def test_half_the_depth_is_not_tried_where_a_study_cannot_set_it():
    trials = Trials(lambda spec: (2.3, 0.1 if spec.norm == "none" else 0.9))
    recipe = tune(plan(adjustable=frozenset()), trials.need)
    assert not recipe.found
    assert {spec.depth for spec in trials.asked} == {8}
    assert {spec.init for spec in trials.asked} == {"default", "he", "orthogonal"}


@pytest.mark.parametrize(("accuracy", "learned"), [(0.9, True), (0.1, False)])
def test_a_network_as_it_is_gets_a_rate_and_no_other_start(accuracy: float, learned: bool):
    trials = Trials(lambda spec: (abs(math.log10(spec.rate / 0.1)), accuracy))
    recipe = tune(plan(norms=("given",), headline="given"), trials.need)
    assert recipe.rates == {"given": 0.1}
    assert (recipe.found, recipe.learned) == (True, learned)
    assert {spec.norm for spec in trials.asked} == {"given"}
    assert {spec.init for spec in trials.asked} == {"default"}
