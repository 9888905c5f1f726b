"""Arms are compared where both fit the reduced set."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from normkit.study.claims import claims
from normkit.study.claims.overfitting.gap import unreached
from normkit.study.claims.overfitting.reduced import common_loss, rates_figure, search_rates
from normkit.study.context import Context
from normkit.study.plan import Plan
from normkit.study.record import Record
from normkit.study.simulation import SimulatedTrials, Truth

Change = Callable[[Record], None]


class Changed(SimulatedTrials):
    """Simulated trials of an arm on the reduced set, changed before they are handed out."""

    def __init__(self, change: Change, norm: str = "none") -> None:
        super().__init__(Truth(default_trains=True))
        self.change = change
        self.norm = norm

    def _train(self, task):  # type: ignore[no-untyped-def]
        record = super()._train(task)
        if task.spec.norm == self.norm and task.spec.images:
            self.change(record)
        return record


def stop_at(record: Record, loss: float) -> None:
    """Never lower than this training loss: far from fitting the set, if it is large."""
    for point in record.curve:
        point["train_loss"] = max(point["train_loss"], loss)


def chosen(plan: Plan, source: SimulatedTrials) -> dict[str, float]:
    found = search_rates(Context(plan, source), ("none", "batch"))
    return {norm: search.rate for norm, search in found.items()}


def test_each_arm_is_given_the_rate_with_its_lowest_validation_loss(full_plan: Plan) -> None:
    def favour_a_hundredth(record: Record) -> None:
        # The error, by which rates are tuned elsewhere, says otherwise.
        record.final["validation_error"] = record.spec.rate
        record.final["validation_loss"] = abs(math.log10(record.spec.rate / 0.01))

    assert chosen(full_plan, Changed(favour_a_hundredth)) == {"none": 0.01, "batch": 0.1}


def test_a_rate_at_which_the_set_is_not_fitted_is_not_taken(full_plan: Plan) -> None:
    def slow_below_a_hundredth(record: Record) -> None:
        if record.spec.rate < 0.03:
            stop_at(record, 0.3)
            record.final["validation_loss"] = 0.0

    assert chosen(full_plan, Changed(slow_below_a_hundredth))["none"] == 0.03


@pytest.mark.parametrize(("misses", "taken"), [(2, True), (3, False)])
def test_three_quarters_of_the_runs_must_fit(full_plan: Plan, misses: int, taken: bool) -> None:
    def some_do_not_fit(record: Record) -> None:
        if record.spec.rate == 0.03 and record.spec.seed < 500 + misses:
            stop_at(record, 0.3)

    assert (chosen(full_plan, Changed(some_do_not_fit))["none"] == 0.03) is taken


def test_where_no_rate_fits_the_nearest_to_it_is_taken(full_plan: Plan) -> None:
    def nearest_at_a_hundredth(record: Record) -> None:
        stop_at(record, 0.1 + abs(math.log10(record.spec.rate / 0.01)))

    assert chosen(full_plan, Changed(nearest_at_a_hundredth))["none"] == 0.01


def test_the_figure_shows_the_choice_and_leaves_out_what_does_not_fit(full_plan: Plan) -> None:
    def slow_below_a_hundredth(record: Record) -> None:
        if record.spec.rate < 0.03:
            stop_at(record, 0.3)

    context = Context(full_plan, Changed(slow_below_a_hundredth))
    tuned = search_rates(context, ("none", "batch"))
    rows = rates_figure(context, tuned)["rows"]
    assert {row["norm"]: row["rate"] for row in rows if row["chosen"]} == {
        "none": 0.03,
        "batch": 0.1,
    }
    assert min(tuned["none"].runs) == 0.01
    assert min(row["rate"] for row in rows if row["norm"] == "none") == 0.03
    assert all(row["low"] <= row["validation_loss"] <= row["high"] for row in rows)


@pytest.mark.parametrize("arm", ["none", "batch"])
def test_the_common_loss_is_one_that_three_quarters_of_both_arms_pass(
    full_plan: Plan, arm: str
) -> None:
    def two_of_eight_do_not_fit_and_the_rest_badly(record: Record) -> None:
        stop_at(record, 0.3 if record.spec.seed < 502 else 0.0114)

    source = Changed(two_of_eight_do_not_fit_and_the_rest_badly, arm)
    context = Context(full_plan, source)
    rates = chosen(full_plan, source)
    level = common_loss(context, "batch", rates)
    assert level == pytest.approx(1.5 * 0.0114)
    passed = [
        min(record.column("train_loss")) < level
        for record in context.need(
            context.base(arm, seed, rates[arm]).but(
                images=full_plan.reduced_images, steps=full_plan.reduced_steps, test="never"
            )
            for seed in full_plan.reduced_tuning_seeds
        )
        if record is not None
    ]
    assert passed == [False] * 2 + [True] * 6


@pytest.mark.parametrize("lowest", [1.0, 0.03])
@pytest.mark.parametrize("arm", ["none_lowest", "norm_lowest"])
def test_an_arm_that_does_not_fit_has_no_common_loss(
    full_plan: Plan, arm: str, lowest: float
) -> None:
    source = SimulatedTrials(Truth(**{arm: lowest}))
    rates = chosen(full_plan, source)
    assert common_loss(Context(full_plan, source), "batch", rates) is None


def test_in_the_middle_of_training_nothing_is_decided(full_plan: Plan) -> None:
    source = SimulatedTrials(Truth(gap=-1.0, none_lowest=0.03))
    [gap, *_] = claims()["overfitting"].judge(Context(full_plan, source)).verdicts
    assert gap.outcome == "inconclusive"
    assert "read at" not in gap.note["en"]
    assert "learning rate 0.1 with `batch`" in gap.note["en"]


def test_runs_that_failed_do_not_fit(full_plan: Plan) -> None:
    class Failing(SimulatedTrials):
        def find(self, task):  # type: ignore[no-untyped-def]
            spec = task.spec
            failed = (spec.norm, spec.rate) == ("none", 0.03) and 500 <= spec.seed < 503
            return None if failed and spec.images else super().find(task)

    assert chosen(full_plan, SimulatedTrials())["none"] == 0.03
    assert chosen(full_plan, Failing())["none"] != 0.03


def test_a_rate_at_which_a_run_diverges_is_not_taken(full_plan: Plan) -> None:
    class OneDiverges(SimulatedTrials):
        def _train(self, task):  # type: ignore[no-untyped-def]
            record = super()._train(task)
            diverges = (task.spec.norm, task.spec.rate, task.spec.seed) == ("none", 0.03, 500)
            return replace(record, status="diverged") if diverges and task.spec.images else record

    assert chosen(full_plan, OneDiverges())["none"] != 0.03


def test_where_a_run_diverges_at_every_rate_nothing_is_decided(full_plan: Plan) -> None:
    class OneAlwaysDiverges(SimulatedTrials):
        def _train(self, task):  # type: ignore[no-untyped-def]
            record = super()._train(task)
            diverges = (task.spec.norm, task.spec.seed) == ("none", 500) and task.spec.images
            return replace(record, status="diverged", final={}) if diverges else record

    source = OneAlwaysDiverges(Truth(gap=-1.0))
    [gap, *_] = claims()["overfitting"].judge(Context(full_plan, source)).verdicts
    assert gap.outcome == "inconclusive"


def test_an_arm_that_fits_at_no_rate_is_told_below_the_figure(full_plan: Plan) -> None:
    context = Context(full_plan, SimulatedTrials(Truth(none_lowest=0.03)))
    figure = rates_figure(context, search_rates(context, ("none", "batch")))
    assert {row["norm"] for row in figure["rows"]} == {"batch"}
    assert "At none of its rates did `none` fit" in figure["caption"]["en"]


def test_a_best_rate_at_the_edge_of_the_search_is_told_below_the_figure(full_plan: Plan) -> None:
    def ever_better(record: Record) -> None:
        record.final["validation_loss"] = record.spec.rate

    context = Context(full_plan, Changed(ever_better))
    figure = rates_figure(context, search_rates(context, ("none", "batch")))
    assert "For `none` the best rate lies at the edge" in figure["caption"]["en"]


@pytest.mark.parametrize(("reached", "decides"), [(16, True), (12, True), (11, False), (0, False)])
def test_where_more_than_a_quarter_of_the_pairs_is_missing_nothing_is_decided(
    reached: int, decides: bool
) -> None:
    told = unreached([0.1] * reached + [float("nan")] * (16 - reached), 0.01)
    assert (told is None) is decides
