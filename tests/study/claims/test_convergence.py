"""Steps to a target are read off the curve; a run that never arrives counts with the budget."""

from __future__ import annotations

import math

import pytest

from normkit.study.claims.convergence import spread, steps_to
from normkit.study.record import Record
from normkit.study.spec import TrialSpec

SPEC = TrialSpec(data="d", model="plain", norm="batch", seed=0, rate=0.1, steps=100, batch=2)


def run(*points: tuple[int, float], status: str = "ok") -> Record:
    curve = [{"step": step, "train_accuracy": accuracy} for step, accuracy in points]
    return Record(SPEC, status, curve, {}, {})


def test_the_crossing_is_interpolated_in_the_logarithm_of_the_step():
    reached = steps_to(run((0, 0.1), (10, 0.4), (40, 0.8)), target=0.6, limit=100)
    assert reached == pytest.approx(math.sqrt(10 * 40))


def test_the_first_crossing_counts_even_if_the_run_falls_back():
    assert steps_to(run((0, 0.1), (10, 0.9), (40, 0.2)), 0.9, 100) == pytest.approx(10)


def test_a_run_that_never_arrives_counts_with_the_whole_budget():
    assert steps_to(run((0, 0.1), (100, 0.5)), 0.6, 100) == 100


def test_a_run_that_diverged_never_arrived():
    assert steps_to(run((0, 0.1), (10, 0.9), status="diverged"), 0.6, 100) == 100


def test_the_curve_of_an_arm_is_its_mean_and_range_over_seeds():
    rows = spread({"batch": {0: run((10, 0.2)), 1: run((10, 0.4))}}, "train_accuracy")
    assert rows == [
        {
            "norm": "batch",
            "step": 10,
            "train_accuracy": pytest.approx(0.3),
            "low": 0.2,
            "high": 0.4,
            "seeds": 2,
        }
    ]
