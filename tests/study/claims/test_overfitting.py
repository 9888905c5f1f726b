"""The gap is read where the training loss is about the common one."""

from __future__ import annotations

import math

import pytest

from normkit.study.claims.overfitting import gap_at
from normkit.study.record import Record
from normkit.study.spec import TrialSpec

SPEC = TrialSpec(data="d", model="plain", norm="batch", seed=0, rate=0.1, steps=100, batch=2)


def run(*losses: tuple[float | None, float | None]) -> Record:
    curve = [
        {"step": i, "train_loss": train, "test_loss": test}
        for i, (train, test) in enumerate(losses)
    ]
    return Record(SPEC, "ok", curve, {}, {})


def test_the_gap_is_the_mean_over_half_a_decade_to_either_side():
    record = run((2.0, 2.0), (0.2, 0.5), (0.1, 0.6), (0.04, 0.84), (0.01, 3.0))
    assert gap_at(record, 0.1) == pytest.approx((0.3 + 0.5 + 0.8) / 3)


def test_a_run_that_never_comes_near_has_no_gap():
    assert math.isnan(gap_at(run((2.0, 2.0), (1.0, 1.5)), 0.1))


def test_a_loss_that_is_not_finite_is_left_out():
    assert gap_at(run((0.1, None), (None, 0.2), (0.1, 0.4)), 0.1) == pytest.approx(0.3)
