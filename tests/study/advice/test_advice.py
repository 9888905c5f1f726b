"""Advice follows from what a study measured, and says how far it can be trusted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from normkit.study.advice import _comparable, advise
from normkit.study.advice.use import _still_trains
from normkit.study.bilingual import Text
from normkit.study.claims import claims
from normkit.study.context import Context
from normkit.study.plan import Plan
from normkit.study.result import adjusted
from normkit.study.simulation import SimulatedTrials, Truth


def advised(plan: Plan, truth: Truth, world: int = 0) -> tuple[str | None, dict[str, list[Text]]]:
    """The norm advised, and the sentences by question, of a simulated study."""
    context = Context(plan, SimulatedTrials(truth, world))
    findings = {name: claims()[name].judge(context) for name in plan.claims}
    advice = advise(context, adjusted(plan, findings))
    return advice["norm"], {point["id"]: point["texts"] for point in advice["points"]}


def english(texts: list[Text]) -> str:
    return " ".join(told["en"] for told in texts)


def test_the_norm_with_the_lowest_validation_error_is_advised(full_plan: Plan) -> None:
    assert advised(full_plan, Truth(error=-5.0))[0] == "batch"
    assert advised(full_plan, Truth(error=5.0))[0] == "none"


def test_where_the_norm_never_trains_the_network_without_one_is_advised(full_plan: Plan) -> None:
    norm, points = advised(full_plan, Truth(norm_trains=False))
    assert norm == "none"
    # There is neither a place nor a price of no norm, nor anyone who comes second.
    assert not {"place", "price", "runner_up"} & set(points)


def test_where_nothing_trains_nothing_is_advised(full_plan: Plan) -> None:
    norm, points = advised(full_plan, Truth(none_trains=False, norm_trains=False))
    assert norm is None
    assert "no network trained in 200 steps" in english(points["norm"])
    assert set(points) == {"norm"}


def test_every_question_is_answered_in_both_languages(full_plan: Plan) -> None:
    _, points = advised(full_plan, Truth())
    assert list(points) == [
        *("norm", "place", "rate", "batch", "price", "runner_up", "change", "untested")
    ]
    for texts in points.values():
        for told in texts:
            assert told["en"]
            assert any("\u4e00" <= letter <= "\u9fff" for letter in told["zh"])


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (-0.5, "Before the activation (test loss before minus after it: −0."),
        (0.5, "After the activation (test loss before minus after it: +0."),
        (0.5, "All other numbers here are of `batch` before it; after it the best learning rate"),
        (0.0, "whether it would do better after it this study cannot tell"),
    ],
)
def test_the_place_is_the_one_that_was_measured_to_be_better(full_plan, loss, said) -> None:
    _, points = advised(full_plan, Truth(placement_loss=loss))
    assert said in english(points["place"])


def test_a_place_that_was_not_measured_is_not_claimed(full_plan: Plan) -> None:
    plan = replace(full_plan, claims=("generalisation",))
    _, points = advised(plan, Truth())
    assert "the only place in which this study measured `batch`" in english(points["place"])
    assert "price" not in points
    assert "`placement`" in english(points["untested"])


def test_where_the_users_own_network_has_its_norms_is_not_claimed(full_plan: Plan) -> None:
    plan = replace(full_plan, placements=(), adjustable=frozenset())
    told = english(advised(plan, Truth())[1]["place"])
    assert told == ("Where your network has it: this study did not try `batch` in other places.")


def test_arms_are_ranked_on_the_seeds_that_all_have(full_plan: Plan) -> None:
    _, points = advised(full_plan, Truth())
    fewest = len(full_plan.exploratory_seeds)
    assert f"over the {fewest} seeds that all have" in english(points["norm"])


def test_an_arm_that_lost_half_its_seeds_does_not_decide_on_which_seeds_are_compared(
    full_plan: Plan,
) -> None:
    context = Context(full_plan, SimulatedTrials(Truth()))
    runs = context.base_runs(full_plan.norms)
    kept = list(runs["group"])[:1]
    runs["group"] = {seed: runs["group"][seed] for seed in kept}
    trained, shared = _comparable(context, runs)
    assert "group" not in trained
    assert shared == set(full_plan.seeds)


def test_an_arm_that_never_trains_is_told_as_not_tested(full_plan: Plan) -> None:
    _, points = advised(full_plan, Truth(none_trains=False))
    assert "Whether `none` would do well" in english(points["untested"])


def test_a_rate_at_which_a_seed_fails_is_told(full_plan: Plan) -> None:
    assert _still_trains(0.03, 0.1)["en"] == " Not every seed trains at it."
    assert "Up to 0.1 every seed" in _still_trains(0.1, 0.1)["en"]


def test_the_rate_comes_with_the_largest_that_trains_on_every_seed(full_plan: Plan) -> None:
    _, points = advised(full_plan, Truth())
    assert english(points["rate"]).startswith("0.1: the best in validation for 200 steps of 32")
    assert "every seed still trains" in english(points["rate"])
    without = replace(full_plan, claims=("generalisation",))
    assert "still trains" not in english(advised(without, Truth())[1]["rate"])


@pytest.mark.parametrize(
    ("points_lost", "said"),
    [(10.0, "hurt"), (0.0, "do no harm by as much as matters"), (1.0, "cannot tell")],
)
def test_the_batch_is_told_with_what_smaller_ones_did(full_plan, points_lost, said) -> None:
    _, points = advised(full_plan, Truth(small_batch=points_lost))
    assert said in english(points["batch"])


def test_a_runner_up_too_close_to_tell_asks_for_more_seeds(full_plan: Plan) -> None:
    _, points = advised(full_plan, Truth())
    assert "`group`: test error" in english(points["runner_up"])
    assert "cannot be told apart" in english(points["runner_up"])
    assert "(seeds: `batch` 8, `group` 3)" in english(points["change"])


def test_what_is_cheaper_is_told_with_its_own_error(full_plan: Plan) -> None:
    told = english(advised(full_plan, Truth(seconds=2.0))[1]["change"])
    assert "`none` takes the least" in told
    assert "the test error of `none` is 10" in told
    cheap = english(advised(full_plan, Truth(seconds=0.5))[1]["change"])
    assert "`none` takes the least" not in cheap


def test_a_condition_under_which_it_does_badly_is_told_with_those_that_do_better(
    full_plan: Plan,
) -> None:
    told = english(advised(full_plan, Truth(scaled_in_test=30.0))[1]["change"])
    assert "If inputs change their scale once training is over" in told
    harmless = english(advised(full_plan, Truth(scaled_in_test=-30.0))[1]["change"])
    assert "change their scale" not in harmless


def test_what_was_dropped_counts_as_not_tested(full_plan: Plan) -> None:
    dropped = {"en": "Left out for want of time.", "zh": "因时间不足而省去。"}
    plan = replace(full_plan, claims=("generalisation",), dropped=(dropped,))
    assert advised(plan, Truth())[1]["untested"][-1] == dropped
