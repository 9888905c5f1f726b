"""A trial's name covers all that determines its numbers, and nothing else."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import normkit
from normkit.study import spec as room
from normkit.study.engine import Task
from normkit.study.spec import TrialSpec, canonical, code_version

Trial = Callable[..., TrialSpec]

CHANGES: dict[str, object] = {
    "data": "another fingerprint",
    "model": "vgg",
    "norm": "group",
    "seed": 1,
    "rate": 0.3,
    "steps": 7,
    "batch": 9,
    "kind": "cost",
    "init": "he",
    "gain": 2.0,
    "depth": 3,
    "width": 5,
    "placement": "after",
    "activation": "tanh",
    "optimizer": "adamw",
    "schedule": "cosine",
    "momentum": 0.5,
    "dropout": 0.1,
    "l1": 0.1,
    "l2": 0.1,
    "norm_batch": 2,
    "input_scale": 10.0,
    "augment": "cells.py:load",
    "source": "another digest",
    "images": 16,
    "test": "end",
    "arms": ("none",),
    "device": "cuda",
    "kernels": "fast",
    "code": "another version",
}


def test_equal_specifications_have_one_name(trial: Trial) -> None:
    assert trial() == trial()
    assert trial().name == trial().name
    assert trial(seed=1).but(seed=0).name == trial().name


def test_every_field_is_tried_below() -> None:
    assert set(CHANGES) == {field.name for field in dataclasses.fields(TrialSpec)}


@pytest.mark.parametrize("field", CHANGES)
def test_another_value_in_any_field_gives_another_name(trial: Trial, field: str) -> None:
    assert trial(**{field: CHANGES[field]}).name != trial().name


def test_probes_are_no_part_of_it(trial: Trial) -> None:
    assert Task(trial(), ("gradients",)).spec.name == Task(trial()).spec.name


def test_a_name_is_fit_for_a_file(trial: Trial) -> None:
    assert trial().name.isalnum()
    assert len(trial().name) == 20


def test_survives_json(trial: Trial) -> None:
    spec = trial(arms=("none", "batch"), images=16)
    values = json.loads(json.dumps(spec.to_dict()))
    again = TrialSpec(**{**values, "arms": tuple(values["arms"])})
    assert again == spec
    assert again.name == spec.name


def test_canonical_json_does_not_depend_on_order_and_has_no_nan() -> None:
    assert canonical({"b": [1.5, None], "a": 2}) == canonical({"a": 2, "b": [1.5, None]})
    with pytest.raises(ValueError, match="JSON"):
        canonical(float("inf"))


class TestCodeVersion:
    @pytest.fixture
    def package(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A copy of the package, from which the digest is taken."""
        source = Path(normkit.__file__).parent
        package = tmp_path / "normkit"
        shutil.copytree(source, package, ignore=shutil.ignore_patterns("__pycache__"))
        monkeypatch.setattr(room.normkit, "__file__", str(package / "__init__.py"))
        # Without the cache, and none the wiser afterwards.
        monkeypatch.setattr(room, "code_version", code_version.__wrapped__)
        return package

    @pytest.mark.parametrize(
        "file",
        [
            "functional/batch.py",
            "nn/group.py",
            "models/plain.py",
            "data/dataset.py",
            "probes/standardise.py",
            "study/train.py",
            "study/timing.py",
            "study/probing.py",
            "study/optimizer.py",
            "study/augmentation.py",
            "study/checking.py",
            "study/loading.py",
            "seeding.py",
            "user_code.py",
        ],
    )
    def test_changed_code_gives_every_trial_another_name(
        self, trial: Trial, package: Path, file: str
    ) -> None:
        before = trial(code="").name
        assert before == trial().name
        with (package / file).open("a") as code:
            code.write("\n# changed\n")
        assert trial(code="").name != before

    def test_a_new_file_gives_every_trial_another_name(self, trial: Trial, package: Path) -> None:
        before = trial(code="").name
        (package / "nn" / "new.py").touch()
        assert trial(code="").name != before

    def test_code_that_only_judges_or_shows_changes_no_name(
        self, trial: Trial, package: Path
    ) -> None:
        before = trial(code="").name
        for file in ("study/verdict.py", "report/page.py", "cli/study.py"):
            with (package / file).open("a") as code:
                code.write("\n# changed\n")
        assert trial(code="").name == before

    def test_it_tells_what_kernels_there_are_on_the_device(
        self, package: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(room, "missing_on", {"cpu": "none built", "cuda": None}.get)
        monkeypatch.setattr(room, "triton_version", lambda: "3.9.1")
        assert ", no kernels, torch" in room.code_version()
        assert ", kernels by Triton 3.9.1, torch" in room.code_version("cuda")
        monkeypatch.setattr(room, "missing_on", {"cpu": None, "cuda": "no Triton"}.get)
        assert ", kernels, torch" in room.code_version()
        assert ", no kernels, torch" in room.code_version("cuda")

    def test_another_torch_gives_every_trial_another_name(
        self, trial: Trial, package: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = trial(code="").name
        monkeypatch.setattr(room.torch, "__version__", "0.1")
        assert trial(code="").name != before
