"""What one trial found, and when a quantity first passed a target."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from normkit.study.record import Record, finite, first_above
from normkit.study.spec import TrialSpec


@pytest.fixture
def record(trial: Callable[..., TrialSpec]) -> Callable[..., Record]:
    def make(values: list[float | None], steps: tuple[int, ...] = (0, 4, 16, 64)) -> Record:
        curve = [{"step": s, "value": v} for s, v in zip(steps, values, strict=True)]
        return Record(trial(), "ok", curve, {"train_accuracy": 0.75, "test_error": None}, {})

    return make


def test_numbers_that_are_not_finite_are_stored_as_null() -> None:
    assert [finite(value) for value in (1.5, math.nan, math.inf)] == [1.5, None, None]


def test_null_is_read_as_nan(record: Callable[..., Record]) -> None:
    made = record([1.0, None, 2.0, 3.0])
    assert math.isnan(made.value("test_error"))
    assert math.isnan(made.value("no such name"))
    assert math.isnan(made.column("value")[1])


def test_a_trial_that_diverged_has_learnt_nothing(trial: Callable[..., TrialSpec]) -> None:
    final = {"train_accuracy": 0.75}
    assert Record(trial(), "ok", [], final, {}).accuracy == 0.75
    assert Record(trial(), "diverged", [], final, {}).accuracy == 0.0


def test_a_rising_quantity_passes_its_target_between_two_checkpoints(
    record: Callable[..., Record],
) -> None:
    # Half-way in value between steps 4 and 16 is half-way in their logarithms: step 8.
    assert first_above(record([0.0, 0.2, 0.6, 0.9]), "value", 0.4) == pytest.approx(8.0)


def test_a_quantity_that_starts_beyond_its_target_passed_it_at_once(
    record: Callable[..., Record],
) -> None:
    assert first_above(record([0.5, 0.6, 0.7, 0.8]), "value", 0.4) == 1.0


def test_a_target_that_is_never_reached_has_no_step(record: Callable[..., Record]) -> None:
    assert first_above(record([0.0, 0.1, 0.2, 0.3]), "value", 0.4) is None


def test_a_quantity_that_is_not_finite_has_not_passed(record: Callable[..., Record]) -> None:
    assert first_above(record([0.0, None, None, None]), "value", 0.4) is None
    # After a gap there is nothing to interpolate from.
    assert first_above(record([0.0, None, 0.5, 0.6]), "value", 0.4) == 16.0
