"""The agreement of gradients and the drift are averaged over all layers and moments measured."""

from __future__ import annotations

import math

import pytest

from normkit.study.claims.covariate_shift import cosine, log_drift
from normkit.study.record import Record
from normkit.study.spec import TrialSpec

SPEC = TrialSpec(data="d", model="plain", norm="batch", seed=0, rate=0.1, steps=100, batch=2)


def record(**moments: dict[str, list[float | None]]) -> Record:
    return Record(SPEC, "ok", [], {}, {"covariate_shift": moments})


def test_the_cosine_is_the_mean_of_all_that_could_be_measured() -> None:
    found = record(
        early={"cosine": [1.0, 0.5], "drift": [1.0, 1.0]},
        late={"cosine": [None, 0.0], "drift": [1.0, 1.0]},
    )
    assert cosine(found) == pytest.approx(0.5)


def test_the_drift_is_the_logarithm_of_its_mean() -> None:
    found = record(early={"cosine": [1.0, 1.0], "drift": [1.0, 3.0]})
    assert log_drift(found) == pytest.approx(math.log(2.0))


def test_what_was_never_measured_is_not_known() -> None:
    assert math.isnan(cosine(record()))
    assert math.isnan(log_drift(record(early={"cosine": [None], "drift": [None]})))
