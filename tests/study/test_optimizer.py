"""The optimizer of a trial, and its rate at every step."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from normkit.data import Dataset
from normkit.study import train
from normkit.study.optimizer import OPTIMIZERS, make_optimizer, set_rate, share_of_rate
from normkit.study.spec import TrialSpec

Trial = Callable[..., TrialSpec]


def test_weights_decay_and_norms_and_biases_do_not(trial: Trial) -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    for name in OPTIMIZERS:
        weights, rest = make_optimizer(trial(optimizer=name, l2=0.25), model).param_groups
        assert [p is model[0].weight for p in weights["params"]] == [True]
        assert len(rest["params"]) == 3
        assert (weights["weight_decay"], rest["weight_decay"]) == (0.25, 0)


def test_adamw_has_its_own_averages(trial: Trial) -> None:
    optimizer = make_optimizer(trial(optimizer="adamw", momentum=0.8), nn.Linear(2, 2))
    assert isinstance(optimizer, torch.optim.AdamW)
    assert optimizer.param_groups[0]["betas"] == (0.8, 0.999)


def test_the_grid_of_adamw_is_lower() -> None:
    assert max(OPTIMIZERS["adamw"]) <= min(OPTIMIZERS["sgd"])


def test_a_cosine_falls_from_one_to_zero() -> None:
    shares = [share_of_rate("cosine", step, 11) for step in range(1, 12)]
    assert shares == sorted(shares, reverse=True)
    assert (shares[0], shares[5], shares[-1]) == (1, pytest.approx(0.5), 0)
    assert share_of_rate("cosine", 1, 1) == 1


def test_a_constant_rate_stays() -> None:
    assert {share_of_rate("constant", step, 5) for step in range(1, 6)} == {1.0}


def test_unknown_names_are_refused_with_the_close_match(trial: Trial) -> None:
    with pytest.raises(ValueError, match=r"unknown optimizer 'adam'. Did you mean 'adamw'\?"):
        make_optimizer(trial(optimizer="adam"), nn.Linear(2, 2))
    with pytest.raises(ValueError, match=r"unknown schedule 'cosin'. Did you mean 'cosine'\?"):
        share_of_rate("cosin", 1, 2)


def test_the_rate_is_set_in_every_part(trial: Trial) -> None:
    optimizer = make_optimizer(trial(), nn.Linear(2, 2))
    set_rate(optimizer, trial(rate=0.2, schedule="cosine", steps=3), 2)
    assert [part["lr"] for part in optimizer.param_groups] == pytest.approx([0.1, 0.1])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_a_network_trains_with_each(
    digits: Dataset, trial: Trial, optimizer: str, schedule: str
) -> None:
    rate = {"sgd": 0.1, "adamw": 0.01}[optimizer]
    spec = trial(optimizer=optimizer, schedule=schedule, rate=rate, steps=40, width=8)
    losses = train.run(spec, (), digits).column("train_loss")
    assert losses[-1] < losses[0] - 0.1


def test_the_last_step_of_a_cosine_changes_no_weight(
    digits: Dataset, trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float] = []
    step = torch.optim.SGD.step

    def watched(self: torch.optim.SGD, *arguments: object) -> object:
        rates.append(self.param_groups[0]["lr"])
        return step(self, *arguments)

    monkeypatch.setattr(torch.optim.SGD, "step", watched)
    train.run(trial(schedule="cosine", rate=0.4, steps=5), (), digits)
    assert rates == pytest.approx([0.4, 0.341, 0.2, 0.0586, 0], abs=1e-3)
