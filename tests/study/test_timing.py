"""The cost trial times every arm, and counts what each holds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from normkit.data import Dataset
from normkit.study import train
from normkit.study.spec import TrialSpec

Trial = Callable[..., TrialSpec]


def test_gives_seconds_bytes_and_parameters_of_every_arm(digits: Dataset, trial: Trial) -> None:
    arms = ("none", "batch", "group")
    record = train.run(trial(kind="cost", steps=3, arms=arms, norm="none"), (), digits)
    assert tuple(record.times["seconds_per_step"]) == arms
    assert all(seconds > 0 for seconds in record.times["seconds_per_step"].values())
    held, parameters = record.probes["bytes_for_backward"], record.probes["parameters"]
    assert held["none"] < held["batch"]
    # γ and β of two layers of four channels.
    assert (
        parameters["batch"] - parameters["none"] == parameters["group"] - parameters["none"] == 16
    )


def test_all_that_is_not_time_comes_out_the_same_again(digits: Dataset, trial: Trial) -> None:
    spec = trial(kind="cost", steps=2, arms=("none", "batch"))
    state = torch.get_rng_state()
    first, second = (train.run(spec, (), digits) for _ in range(2))
    assert (first.training(), first.probes) == (second.training(), second.probes)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_pace_is_seconds_of_a_step_and_of_evaluating_an_image(
    digits: Dataset, trial: Trial
) -> None:
    times = train.run(trial(kind="pace"), (), digits).times
    assert 0 < times["image"] < times["step"]


@pytest.mark.parametrize("kind", ["cost", "pace"])
def test_timing_leaves_the_random_state(digits: Dataset, trial: Trial, kind: str) -> None:
    state = torch.get_rng_state()
    train.run(trial(kind=kind, steps=4, arms=("batch",)), (), digits)
    assert torch.equal(torch.get_rng_state(), state)
