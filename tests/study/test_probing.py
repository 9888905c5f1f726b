"""Every norm can be probed, over the axes that it really uses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch

from normkit.data import Dataset
from normkit.nn.catalogue import catalogue
from normkit.study import train
from normkit.study.claims.standardise import deviation
from normkit.study.probing import PROBES, Prober, Scene, along_training, at_the_end
from normkit.study.spec import TrialSpec

Trial = Callable[..., TrialSpec]


STANDARDISE = sorted(
    name
    for name, method in catalogue().items()
    if method.standardises is not None and name not in {"rms", "group_rms"}
)
"""The methods that bring sets of values to mean 0 and variance 1: some only divide."""


@pytest.mark.parametrize("norm", STANDARDISE)
def test_every_norm_standardises_in_a_network(digits: Dataset, trial: Trial, norm: str) -> None:
    # Wide enough, and large enough a weight, that eps does not show.
    spec = trial(norm=norm, steps=0, width=16, init="gaussian", gain=10.0)
    assert deviation(train.run(spec, ("standardise",), digits)) < 0.01


@pytest.mark.parametrize("norm", ["none", "rms", "group_rms", "weight_norm"])
def test_what_does_not_centre_is_seen_not_to(digits: Dataset, trial: Trial, norm: str) -> None:
    spec = trial(norm=norm, steps=0, width=16, init="gaussian", gain=10.0)
    assert deviation(train.run(spec, ("standardise",), digits)) > 0.1


def test_looks_at_the_start_and_the_end_only(digits: Dataset, trial: Trial) -> None:
    with torch.random.fork_rng():
        model = train.build(trial(), digits)
    images, labels = train.Batches(digits, "cpu").take(torch.as_tensor(digits.train[:16]))
    prober = Prober(["gradients"], Scene(trial(steps=6), model, images, labels))
    for step in range(7):
        prober.look(step)
    assert list(prober.found["gradients"]) == ["start", "end"]


def test_distributions_are_looked_at_evenly_in_log_steps(trial: Trial) -> None:
    steps = [int(step) for step in along_training(trial(steps=200)).values()]
    assert steps == [0, 4, 10, 29, 83, 200]
    assert set(steps) <= set(train.checkpoints(200))


@pytest.mark.parametrize(
    ("steps", "moments"), [(0, {0: "0"}), (6, {0: "0", 4: "4", 5: "5", 6: "6"})]
)
def test_short_trials_are_looked_at_as_often_as_can_be(
    trial: Trial, steps: int, moments: dict[int, str]
) -> None:
    assert along_training(trial(steps=steps)) == moments


def test_a_trial_that_does_not_train_has_no_lesson(trial: Trial) -> None:
    assert at_the_end(trial(steps=0)) == {}


@pytest.mark.parametrize("model", ["plain", "vgg", "residual", "mlp"])
def test_every_model_can_be_followed_along_training(
    digits: Dataset, trial: Trial, model: str
) -> None:
    record = train.run(trial(model=model), ("distributions", "lesson"), digits)
    assert all(moment["found"] for moment in record.probes["distributions"].values())
    assert ("channel" in record.probes["lesson"]["end"]) is (model != "mlp")


def test_the_lessons_probes_do_not_disturb_training(digits: Dataset, trial: Trial) -> None:
    probed = train.run(trial(dropout=0.5), ("distributions", "lesson"), digits)
    assert probed.training() == train.run(trial(dropout=0.5), (), digits).training()


def test_a_trial_is_kept_whatever_a_probe_raises(
    digits: Dataset, trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises(_: Scene) -> dict[str, Any]:
        raise IndexError("no such channel")

    broken = dataclasses.replace(PROBES["lesson"], measure=raises)
    monkeypatch.setitem(PROBES, "lesson", broken)
    record = train.run(trial(), ("distributions", "lesson"), digits)
    assert record.training() == train.run(trial(), (), digits).training()
    assert record.probes["lesson"] == {}
    assert len(record.probes["distributions"]) > 1
    assert list(record.unmeasured) == ["lesson"]
    assert record.unmeasured["lesson"].startswith("IndexError: no such channel")
