"""Arms are compared where both fit the reduced set."""

from __future__ import annotations

import pytest

from normkit.study.claims.overfitting.gap import unreached
from normkit.study.claims.overfitting.reduced import common_loss, tuned_rates
from normkit.study.context import Context
from normkit.study.plan import Plan
from normkit.study.record import Record
from normkit.study.simulation import SimulatedTrials, Truth


class Slow(SimulatedTrials):
    """At 0.003 "none" is best in validation, and far from fitting when its steps are over."""

    def _train(self, task):  # type: ignore[no-untyped-def]
        record = super()._train(task)
        if task.spec.norm == "none" and task.spec.images and task.spec.rate <= 0.003:
            for point in record.curve:
                point["train_loss"] = max(point["train_loss"], 0.3)
            record.final["validation_error"] = 0.0
        return record


def context(plan: Plan, source: SimulatedTrials) -> Context:
    return Context(plan, source)


def test_a_rate_at_which_the_set_is_not_fitted_is_not_taken(full_plan: Plan) -> None:
    rates = tuned_rates(context(full_plan, Slow(Truth())), ("none", "batch"))
    assert rates["none"] > 0.003


def test_the_common_loss_is_one_that_both_arms_pass(full_plan: Plan) -> None:
    here = context(full_plan, SimulatedTrials())
    rates = tuned_rates(here, ("none", "batch"))
    level = common_loss(here, "batch", rates)
    assert level is not None
    for norm in ("none", "batch"):
        [record] = here.need([here.base(norm, 500, rates[norm]).but(
            images=full_plan.reduced_images, steps=full_plan.reduced_steps, test="never"
        )])  # fmt: skip
        assert isinstance(record, Record)
        assert min(record.column("train_loss")) < level


def test_an_arm_that_never_fits_has_no_common_loss(full_plan: Plan) -> None:
    here = context(full_plan, SimulatedTrials(Truth(none_fits=False)))
    rates = tuned_rates(here, ("none", "batch"))
    assert common_loss(here, "batch", rates) is None


@pytest.mark.parametrize(("reached", "decides"), [(16, True), (12, True), (11, False), (0, False)])
def test_where_more_than_a_quarter_of_the_pairs_is_missing_nothing_is_decided(
    reached: int, decides: bool
) -> None:
    told = unreached([0.1] * reached + [float("nan")] * (16 - reached), 0.01)
    assert (told is None) is decides
