"""Every norm can be probed, over the axes that it really uses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from normkit.data import Dataset
from normkit.nn.catalogue import catalogue
from normkit.study import train
from normkit.study.claims.standardise import deviation
from normkit.study.probing import AXES, Prober, Scene
from normkit.study.spec import TrialSpec

Trial = Callable[..., TrialSpec]


def test_the_axes_of_every_norm_are_known() -> None:
    assert set(AXES) == set(catalogue())


@pytest.mark.parametrize("norm", sorted(set(AXES) - {"none", "rms"}))
def test_every_norm_standardises_in_a_network(digits: Dataset, trial: Trial, norm: str) -> None:
    # Wide enough, and large enough a weight, that eps does not show.
    spec = trial(norm=norm, steps=0, width=16, init="gaussian", gain=10.0)
    assert deviation(train.run(spec, ("standardise",), digits)) < 0.01


@pytest.mark.parametrize("norm", ["none", "rms"])
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
