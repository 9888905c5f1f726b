"""Weights are compared with what they were before training, layer by layer."""

from __future__ import annotations

import math
from typing import Any

import pytest

from normkit.study.claims.parameter_distribution import complexity, growth, spread
from normkit.study.record import Record
from normkit.study.spec import TrialSpec

SPEC = TrialSpec(data="d", model="plain", norm="batch", seed=0, rate=0.1, steps=100, batch=2)


def record(**moments: dict[str, Any]) -> Record:
    return Record(SPEC, "ok", [], {}, {"parameter_distribution": moments})


def test_growth_is_the_mean_over_layers_of_its_logarithm() -> None:
    found = record(
        start={"norm": [1.0, 2.0], "deviation": [1.0, 1.0]},
        end={"norm": [4.0, 2.0], "deviation": [1.0, 1.0]},
    )
    assert growth(found) == pytest.approx(math.log(2))


def test_a_spread_that_falls_is_as_much_of_a_change_as_one_that_rises() -> None:
    found = record(
        start={"norm": [1.0, 1.0], "deviation": [1.0, 1.0]},
        end={"norm": [1.0, 1.0], "deviation": [2.0, 0.5]},
    )
    assert spread(found) == pytest.approx(math.log(2))


def test_complexity_is_the_logarithm_of_the_product() -> None:
    assert complexity(record(end={"spectral_norm": [10.0, 100.0]})) == pytest.approx(3)


@pytest.mark.parametrize("folded", [[10.0, None], [0.0], []])
def test_a_product_with_a_factor_that_is_not_known_is_not_known(folded) -> None:
    assert math.isnan(complexity(record(end={"spectral_norm": folded})))


@pytest.mark.parametrize("before", [[], [1.0, 2.0, 3.0]])
def test_layers_that_were_not_the_same_before_are_not_compared(before: list[float]) -> None:
    end = {"norm": [1.0, 2.0], "deviation": [1.0, 1.0]}
    assert math.isnan(growth(record(start={"norm": before, "deviation": before}, end=end)))
    assert math.isnan(growth(record(end=end)))


def test_a_network_that_did_not_train_to_its_end_has_not_grown() -> None:
    assert math.isnan(growth(record(start={"norm": [1.0], "deviation": [1.0]})))
