"""What scaled inputs add to the error is compared, retrained on them and in the test alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from normkit.study.claims.scale import CLAIM, added_in_test
from normkit.study.context import Context
from normkit.study.record import Record
from normkit.study.simulation import SimulatedTrials, Truth


def test_every_scale_is_trained_on_at_the_rate_of_the_unscaled_inputs(full_plan) -> None:
    source = SimulatedTrials(Truth())
    context = Context(full_plan, source)
    CLAIM.judge(context)
    scaled = [spec for spec in source.asked if spec.input_scale != 1]
    assert {spec.input_scale for spec in scaled} == {0.01, 100.0}
    assert {(spec.norm, spec.rate) for spec in scaled} == set(context.recipe.rates.items())


@pytest.mark.parametrize("scales", [(0.01, 100.0), (100.0,)])
def test_what_it_adds_does_not_depend_on_the_error_without(full_plan, scales) -> None:
    plan = replace(full_plan, input_scales=scales)
    truth = Truth(scaled=-15.0, error=-5.0, noise=0.0)
    finding = CLAIM.judge(Context(plan, SimulatedTrials(truth)))
    verdict = next(v for v in finding.verdicts if v.id == "retrained" and v.norm == "batch")
    assert verdict.effect.value == pytest.approx(-0.15)


def test_the_test_alone_is_scaled_against_the_test_as_it_is(trial) -> None:
    errors = {"0.1": 0.3, "1": 0.1, "10": 0.5}
    record = Record(trial(), "ok", [], {}, {"scale": {"end": {"test_error": errors}}})
    assert added_in_test(record) == pytest.approx(0.3)
