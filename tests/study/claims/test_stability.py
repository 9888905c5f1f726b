"""Spreads of the loss are compared where both arms have the same training loss."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from normkit.study.claims.stability import (
    _along_training,
    _overflows,
    along,
    at,
    between_steps,
    curve,
    levels,
    log_ratio,
)
from normkit.study.plan import HALF_DECADES
from normkit.study.probing import STEP_LENGTHS
from normkit.study.record import Record
from normkit.study.spec import TrialSpec
from normkit.study.tuning import half_decade

SPEC = TrialSpec(data="d", model="plain", norm="batch", seed=0, rate=0.1, steps=100, batch=2)


def run(spreads: dict[float, float | None]) -> Record:
    """A trial by its training losses, in order: at each, the spread between steps."""
    points = [{"step": step, "train_loss": loss} for step, loss in enumerate(spreads, start=1)]
    found = {
        str(step): {"between_steps": spread, "losses": [1.0] * len(STEP_LENGTHS)}
        for step, spread in enumerate(spreads.values(), start=1)
    }
    return Record(SPEC, "ok", points, {}, {"stability": found})


def test_the_range_is_taken_from_the_rate_to_ten_times_it() -> None:
    losses = [9.0, 9.0, 1.0, 0.5, 0.7, *[9.0] * 5]
    record = Record(SPEC, "ok", [], {}, {"stability": {"5": {"losses": losses}}})
    assert STEP_LENGTHS[2] == 0.01
    assert along(0.01)(record, "5") == 0.5


def test_a_loss_that_overflows_gives_no_range() -> None:
    losses = [1.0, 1.0, 1.0, 1.0, None, *[1.0] * 5]
    record = Record(SPEC, "ok", [], {}, {"stability": {"5": {"losses": losses}}})
    assert along(0.01)(record, "5") is None


def test_moments_at_which_a_loss_overflows_are_told() -> None:
    lost = {"5": {"losses": [None] * 10}, "9": {"losses": [1.0] * 10}}
    runs = {
        "none": [Record(SPEC, "ok", [], {}, {"stability": lost})],
        "batch": [Record(SPEC, "ok", [], {}, {"stability": {"5": lost["9"]}})],
    }
    note = _overflows(runs, (along(0.1), along(0.1)))
    assert note["en"] == "moments at which a loss overflowed are left out: `none` 1, `batch` 0"
    del lost["5"]
    assert _overflows(runs, (along(0.1), along(0.1))) is None


@pytest.mark.parametrize("steps", [-2, -1, 0, 1, 2])
def test_there_are_lengths_for_every_rate_that_tuning_can_choose(steps: int) -> None:
    for edge in (HALF_DECADES[0], HALF_DECADES[-1]):
        rate = half_decade(edge, steps)
        lengths = [x for x in STEP_LENGTHS if rate * 0.99 <= x <= rate * 10.1]
        assert len(lengths) == 3
        assert lengths[-1] == pytest.approx(10 * rate)


def test_the_spread_is_interpolated_where_the_loss_falls_through_a_level() -> None:
    points = curve(run({2.0: 1.0, 0.5: 0.25}), between_steps)
    assert at(points, math.log(1.0)) == pytest.approx(math.log(0.5))
    assert at(points, math.log(3.0)) is None
    assert at(points, math.log(0.4)) is None


def test_the_first_fall_through_a_level_counts() -> None:
    points = curve(run({2.0: 1.0, 0.5: 1.0, 1.5: 9.0, 0.4: 9.0}), between_steps)
    assert at(points, 0.0) == pytest.approx(0.0)


def test_levels_lie_where_all_arms_have_been() -> None:
    one, other = curve(run({2.0: 1, 0.01: 1}), between_steps), [(0.5, 0.0), (-2.0, 0.0)]
    assert all(-2.0 <= level <= 0.5 for level in levels([one, other]))
    assert len(levels([one, other])) == 4


def test_where_arms_have_less_than_a_step_in_common_there_is_nothing_to_compare_at() -> None:
    assert levels([[(0.83, 0.0), (0.70, 0.0)], [(0.84, 0.0), (-2.0, 0.0)]]) == []


def test_the_figure_shows_what_most_seeds_have_passed() -> None:
    trained, never = run({2.3: 1.0, 1.0: 1.0, 0.5: 1.0}), run({2.3: 1.0, 2.29: 1.0})
    context = SimpleNamespace(recipe=SimpleNamespace(rates={"none": 0.1, "batch": 0.1}))
    for records, shown in (([trained, trained, never], True), ([trained, never, never], False)):
        runs = {"none": dict(enumerate(records))}
        rows = _along_training(context, runs)["rows"]
        found = [row for row in rows if row["which"] == "between_steps"]
        assert bool(found) is shown
        assert all(row["seeds"] == 2 for row in found)


def test_the_ratio_does_not_depend_on_how_fast_an_arm_got_there() -> None:
    # The spread is the loss itself for one, half of it for the other, at other checkpoints.
    fast = run({2.0: 1.0, 0.1: 0.05})
    slow = run({2.0: 2.0, 1.0: 1.0, 0.7: 0.7, 0.3: 0.3, 0.05: 0.05})
    ratio = log_ratio(fast, between_steps, slow, between_steps)
    assert ratio == pytest.approx(math.log(0.5), abs=0.02)


def test_arms_that_never_had_the_same_loss_are_not_compared() -> None:
    apart = log_ratio(
        run({2.0: 1.0, 1.0: 1.0}), between_steps, run({0.5: 1.0, 0.1: 1.0}), between_steps
    )
    assert math.isnan(apart)
    assert math.isnan(log_ratio(run({2.0: None}), between_steps, run({2.0: 1.0}), between_steps))
