"""A study refuses arguments that it cannot work with, and tells those that it has."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from normkit.study import Study, run
from normkit.study.optimizer import OPTIMIZERS
from normkit.study.rehearsal import rehearse


class TestBadInput:
    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"norms": ["bacth"]}, r"unknown norm 'bacth'. Did you mean 'batch'\?"),
            ({"norms": "batch"}, r"norms is a list of names; got 'batch': write \['batch'\]"),
            ({"norms": []}, "compares norm layers with none; give at least one.*got nothing"),
            ({"norms": ["none"]}, "compares norm layers with none; give at least one.*got none"),
            ({"norms": ["lsuv", "weight_norm"]}, "give at least one.*; got lsuv, weight_norm"),
            ({"norms": ["batch", "frozen_batch"]}, "frozen_batch cannot be studied: it keeps"),
            ({"claims": ["convergance"]}, r"unknown claim 'convergance'; did you mean conv"),
            ({"claims": "cost"}, r"claims is a list of names; got 'cost': write \['cost'\]"),
            ({"model": "resnet"}, r"unknown model 'resnet'. .*The names are: plain, vgg"),
            ({"budget": "fast"}, "a budget is quick, standard, or a number of minutes; got 'fast'"),
            ({"budget": 0}, "budget must be more than 0; got 0"),
            ({"budget": -3.0}, "budget must be more than 0; got -3.0"),
            ({"budget": math.nan}, "budget must be a number of minutes; got nan"),
            ({"budget": math.inf}, "budget must be a number of minutes; got inf"),
            ({"steps": 9}, "steps must be at least 10; got 9"),
            ({"steps": 20.5}, r"steps must be a whole number; got 20\.5"),
            ({"batch": 1}, "batch must be at least 2; got 1"),
            ({"depth": 0}, "depth must be at least 1; got 0"),
            ({"width": -1}, "width must be at least 1; got -1"),
            ({"seed": -1}, "seed must be at least 0; got -1"),
            ({"workers": 0}, "workers must be at least 1; got 0"),
            ({"trial_seconds": 0}, "trial_seconds must be more than 0; got 0"),
            ({"trial_seconds": math.inf}, "trial_seconds must be a number of seconds; got inf"),
            ({"optimizer": "adam"}, r"unknown optimizer 'adam'. Did you mean 'adamw'\?"),
            ({"schedule": "cosin"}, r"unknown schedule 'cosin'. Did you mean 'cosine'\?"),
            ({"model": "nets.py"}, "For one of your own give package.module:name or path/to/"),
            ({"device": "tpu"}, "device must be cpu or cuda; got 'tpu'"),
        ],
    )
    def test_is_refused_with_the_rule(self, given: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            Study(**given)

    def test_cuda_without_a_gpu_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        with pytest.raises(ValueError, match="PyTorch sees no GPU here: use device cpu"):
            Study(device="cuda")

    def test_a_batch_larger_than_the_training_part_is_refused(
        self, finished: Any, tmp_path: Path, here: type
    ) -> None:
        study = Study(**{**finished.study.settings(), "batch": 64})
        with pytest.raises(ValueError, match="60 training images and a batch is 64: use a smaller"):
            study.run(tmp_path / "study")


class TestSettings:
    def test_the_optimizer_and_its_schedule_are_in_every_trial_and_the_command(
        self, finished: Any, here: type
    ) -> None:
        changes = {"optimizer": "adamw", "schedule": "cosine"}
        study = Study(**{**finished.study.settings(), **changes})
        assert "--optimizer adamw --schedule cosine" in study.command()
        plan = study.outline(study.prepare()).plan
        assert (plan.prototype.optimizer, plan.prototype.schedule) == ("adamw", "cosine")
        assert plan.rates == OPTIMIZERS["adamw"]

    def test_a_trial_may_take_a_minute_or_what_is_said(self, finished: Any, here: type) -> None:
        data = finished.study.prepare()
        outline = finished.study.outline(data)
        assert (outline.trial_seconds, outline.least_seconds) == (None, 60)
        told = Study(**{**finished.study.settings(), "trial_seconds": 0.5}).outline(data)
        assert (told.trial_seconds, told.least_seconds) == (0.5, 0.5)

    def test_batch_is_the_headline_norm_wherever_it_stands(self) -> None:
        assert Study(norms=["group", "batch"]).headline == "batch"

    def test_the_first_norm_is_the_headline_without_batch(self) -> None:
        assert Study(norms=["none", "group", "layer"]).headline == "group"

    def test_there_is_one_worker_per_processor_unless_told(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
        assert Study().worker_count == 3
        assert Study(workers=1).worker_count == 1

    def test_there_is_one_worker_per_processor_where_affinity_is_unknown(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr(os, "sched_getaffinity", raising=False)
        monkeypatch.setattr(os, "cpu_count", lambda: 5)
        assert Study().worker_count == 5

    def test_another_seed_shares_no_seed(self, finished: Any, here: type) -> None:
        settings = {**finished.study.settings(), "claims": None, "budget": 24 * 60}
        data = finished.study.prepare()
        plans = [Study(**{**settings, "seed": seed}).outline(data).plan for seed in (0, 1)]
        first, second = ({task.spec.seed for task in rehearse(plan)} for plan in plans)
        assert set(plans[0].gap_seeds) | set(plans[0].reduced_tuning_seeds) <= first
        assert not first & second


@pytest.mark.parametrize(
    ("images", "reduced"), [(1151, 127), (1280, 128), (48000, 128), (60, 32), (900, 100)]
)
def test_the_reduced_set_is_a_ninth_seen_a_hundred_times(images: int, reduced: int) -> None:
    assert run._reduced(32, 400, images) == reduced
