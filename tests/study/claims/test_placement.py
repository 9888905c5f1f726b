"""The textbook's place of a norm is compared with the others that a network has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from normkit.study.claims.placement import CLAIM
from normkit.study.context import Context
from normkit.study.plan import Plan
from normkit.study.simulation import SimulatedTrials, Truth


def verdicts(plan: Plan, truth: Truth) -> dict[str, object]:
    finding = CLAIM.judge(Context(plan, SimulatedTrials(truth)))
    return {v.id: v for v in finding.verdicts if v.norm == "batch"}


@pytest.mark.parametrize("place", ["after", "linear"])
def test_the_claim_holds_where_the_textbooks_place_has_the_lower_loss(full_plan, place) -> None:
    plan = replace(full_plan, placements=("after", "before_and_linear"))
    better = verdicts(plan, Truth(placement_loss=-0.5))[place]
    worse = verdicts(plan, Truth(placement_loss=0.5))[place]
    assert (better.outcome, worse.outcome) == ("supported", "refuted")


def test_a_place_that_the_network_does_not_have_is_not_judged(full_plan) -> None:
    assert set(verdicts(full_plan, Truth())) == {"after", "after_error"}


def test_where_the_place_cannot_be_set_nothing_is_decided_and_why_is_told(full_plan) -> None:
    found = verdicts(replace(full_plan, placements=()), Truth())
    assert found["after"].outcome == "inconclusive"
    assert "cannot be set" in found["after"].undecided["en"]


def test_every_place_is_tuned_as_the_base_was(full_plan) -> None:
    source = SimulatedTrials(Truth())
    CLAIM.judge(Context(full_plan, source))
    for place in ("before", "after"):
        tuned = {
            (spec.rate, spec.seed)
            for spec in source.asked
            if (spec.norm, spec.placement) == ("batch", place)
            and spec.seed >= 500
            and spec.init == "he"
        }
        assert tuned == {(rate, seed) for rate in full_plan.rates for seed in (500, 501)}
