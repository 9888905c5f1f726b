"""A plan is cut, the least missed first, until it fits its budget; what was cut is told."""

from __future__ import annotations

from itertools import pairwise

from normkit.study.bilingual import text
from normkit.study.ladder import fit, ladder
from normkit.study.plan import Plan
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


def test_what_a_later_cut_makes_moot_is_not_told(full_plan):
    told = " ".join(text["en"] for text in ladder(full_plan)[-1].dropped)
    assert "Two seeds" in told
    assert "Norms other than the headline norm" in told
    for moot in ("Three seeds", "Five seeds", "Five init", "Exploratory norms", "twice as many"):
        assert moot not in told
    assert "is tuned and judged" not in told


def test_what_could_not_be_done_is_told_beside_what_was_cut(full_plan):
    told = text("`rms` was left out: no.", "`rms` 未参加。")
    plan = Plan(**{**vars(full_plan), "dropped": (told,)})
    assert all(smaller.dropped[0] == told for smaller in ladder(plan))


def test_dropout_is_never_cut_to_where_a_study_cannot_set_it(full_plan):
    plan = Plan(**{**vars(full_plan), "penalties": ("l1", "l2"), "adjustable": frozenset()})
    tried = [smaller.penalties for smaller in ladder(plan)]
    assert set(tried) == {("l1", "l2"), ()}
    assert not any("only dropout" in told["en"] for told in ladder(plan)[-1].dropped)


def test_a_network_of_its_own_depth_is_asked_for_at_that_one(full_plan):
    plan = Plan(**{**vars(full_plan), "prototype": full_plan.prototype.but(depth=None),
                   "depths": (None,), "adjustable": frozenset()})  # fmt: skip
    for smaller in ladder(plan):
        assert {task.spec.depth for task in rehearse(smaller)} == {None}


def test_a_network_as_it_is_asks_for_no_other_arm(full_plan):
    plan = Plan(**{**vars(full_plan), "norms": ("given",), "headline": "given",
                   "claims": ("standardise",), "adjustable": frozenset()})  # fmt: skip
    tasks = rehearse(plan)
    assert {task.spec.norm for task in tasks} == {"given"}
    assert {task.spec.init for task in tasks} == {"default"}
    assert {task.spec.arms for task in tasks if task.spec.kind == "cost"} == {("given",)}


def test_a_cut_of_what_cannot_be_set_in_the_users_network_is_not_told(full_plan):
    plan = Plan(**{**vars(full_plan), "prototype": full_plan.prototype.but(depth=None),
                   "depths": (None,), "placements": (), "adjustable": frozenset()})  # fmt: skip
    told = " ".join(text["en"] for text in ladder(plan)[-1].dropped)
    assert "`depth`" not in told
    assert "`placement`" not in told
    assert "`scale`" in told
