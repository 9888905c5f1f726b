"""The gap is read where the training loss is about the common one."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from normkit.study.claims.overfitting.gap import along_training, gap_at
from normkit.study.record import Record
from normkit.study.spec import TrialSpec

SPEC = TrialSpec(data="d", model="plain", norm="batch", seed=0, rate=0.1, steps=100, batch=2)


def run(*losses: tuple[float | None, float | None]) -> Record:
    curve = [
        {"step": i, "train_loss": train, "test_loss": test}
        for i, (train, test) in enumerate(losses)
    ]
    return Record(SPEC, "ok", curve, {}, {})


def test_the_gap_is_read_between_the_checkpoints_above_and_below_the_level():
    record = run((2.0, 2.0), (0.2, 0.5), (0.05, 0.55), (0.001, 9.0))
    assert gap_at(record, 0.1) == pytest.approx((0.3 + 0.5) / 2)


def test_checkpoints_within_half_a_decade_are_averaged():
    record = run((0.2, 0.4), (0.2, 0.6), (0.05, 0.55), (0.05, 0.35))
    assert gap_at(record, 0.1) == pytest.approx((0.3 + 0.4) / 2)


def test_a_run_that_lingers_above_the_level_is_still_read_at_it():
    lingering = run(*[(0.3, 0.7)] * 5, (0.03, 0.73))
    level = 0.3 * (0.03 / 0.3) ** 0.5
    assert gap_at(lingering, level) == pytest.approx((0.4 + 0.7) / 2)


def test_a_run_that_falls_through_the_band_is_read_between_its_checkpoints():
    assert gap_at(run((10.0, 10.2), (0.001, 0.801)), 0.1) == pytest.approx(0.5)


def test_a_run_that_never_comes_near_has_no_gap():
    assert math.isnan(gap_at(run((2.0, 2.0), (1.0, 1.5)), 0.1))


def test_a_loss_that_is_not_finite_is_left_out():
    record = run((0.2, 0.5), (None, 0.2), (0.1, None), (0.05, 0.55))
    assert gap_at(record, 0.1) == pytest.approx((0.3 + 0.5) / 2)


PLAN = SimpleNamespace(classes=10, reduced_images=128, reduced_steps=400, headline="batch")


def test_the_gap_is_shown_at_every_loss_that_most_seeds_reach():
    fitted = run((2.0, 2.0), (0.2, 0.5), (0.02, 0.52), (0.002, 0.502))
    stuck = run((2.0, 2.0), (1.0, 1.2))
    rows = along_training(PLAN, {"batch": {0: fitted, 1: fitted, 2: stuck}}, 0.01)["rows"]
    assert rows[0]["train_loss"] == pytest.approx(0.01)
    assert [row["seeds"] for row in rows if row["train_loss"] < 0.9] == [2] * (len(rows) - 1)
    assert rows[-1]["train_loss"] == pytest.approx(math.log(10) / 2, rel=0.2)


def test_a_norm_that_most_seeds_cannot_fit_with_has_no_line():
    stuck = run((2.0, 2.0), (1.9, 2.2))
    assert along_training(PLAN, {"batch": {0: stuck, 1: stuck}}, 0.01)["rows"] == []
