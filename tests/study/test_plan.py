"""A plan says which seeds each arm has, and for what."""

from __future__ import annotations

from normkit.study.ladder import ladder
from normkit.study.rehearsal import rehearse


def test_tuning_seeds_are_never_judged(full_plan):
    judged = {task.spec.seed for task in rehearse(full_plan) if task.spec.test != "never"}
    assert judged.isdisjoint({*full_plan.tuning_seeds, *full_plan.reduced_tuning_seeds})


def test_the_seeds_told_are_those_that_the_plan_has(full_plan):
    told = "8 judged (3 for exploratory norms), 2 for tuning; for the gap of overfitting 32 judged"
    assert full_plan.seeds_told["en"] == f"{told}, 8 for tuning"
    untuned = ladder(full_plan)[-1].seeds_told["en"]
    assert untuned == "2 judged, 1 for tuning; for the gap of overfitting 2 judged"


def test_tuning_never_reads_the_test_part(full_plan):
    assert {task.spec.test for task in rehearse(full_plan) if task.spec.seed >= 500} == {"never"}


def test_fewer_than_eight_seeds_make_every_verdict_exploratory(full_plan):
    assert not full_plan.is_exploratory("batch")
    assert full_plan.is_exploratory("group")
    assert ladder(full_plan)[-1].is_exploratory("batch")
