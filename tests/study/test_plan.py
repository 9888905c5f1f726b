"""A plan is cut, the least missed first, until it fits its budget; what was cut is told."""

from __future__ import annotations

from itertools import pairwise

from normkit.study.plan import Plan, fit, ladder
from normkit.study.rehearsal import rehearse


def test_every_cut_asks_for_fewer_steps(full_plan):
    steps = [sum(task.spec.steps + 1 for task in rehearse(plan)) for plan in ladder(full_plan)]
    assert all(after < before for before, after in pairwise(steps))


def test_every_cut_is_told_in_both_languages(full_plan):
    for before, after in pairwise(ladder(full_plan)):
        assert after.dropped[-1] not in before.dropped
        assert all(told["en"] and told["zh"] for told in after.dropped)


def test_a_cut_that_changes_nothing_is_not_told(full_plan):
    alone = Plan(**{**vars(full_plan), "norms": ("none", "batch")})
    assert not any("headline norm" in told["en"] for told in ladder(alone)[-1].dropped)


def test_a_cut_of_a_claim_that_is_not_asked_for_is_not_told(full_plan):
    one = Plan(**{**vars(full_plan), "claims": ("cost",)})
    assert not any("`" in told["en"] for told in ladder(one)[-1].dropped)


def test_the_first_plan_that_fits_is_taken(full_plan):
    plans = ladder(full_plan)

    def cost(plan: Plan) -> float:
        return float(len(plans) - plans.index(plan))

    assert fit(plans, cost, 1e9) == 0
    assert fit(plans, cost, len(plans) - 2.5) == 3


def test_the_smallest_plan_is_taken_where_none_fits(full_plan):
    plans = ladder(full_plan)
    assert fit(plans, lambda plan: 1.0, 0.5) == len(plans) - 1


def test_exploratory_seeds_are_a_part_of_the_judged_ones_on_every_level(full_plan):
    for plan in ladder(full_plan):
        assert set(plan.exploratory_seeds) <= set(plan.seeds)


def test_tuning_seeds_are_never_judged(full_plan):
    judged = {task.spec.seed for task in rehearse(full_plan) if task.spec.test != "never"}
    assert judged.isdisjoint({*full_plan.tuning_seeds, *full_plan.reduced_tuning_seeds})


def test_what_a_later_cut_makes_moot_is_not_told(full_plan):
    told = " ".join(text["en"] for text in ladder(full_plan)[-1].dropped)
    assert "Two seeds" in told
    assert "Norms other than the headline norm" in told
    for moot in ("Three seeds", "Five seeds", "Five init", "Exploratory norms", "twice as many"):
        assert moot not in told
    assert "is tuned and judged" not in told


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
