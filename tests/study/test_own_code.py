"""A study of the user's own network and images: what it finds, leaves out, and survives."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.study.conftest import HereEngine

import normkit as nk
from normkit import report
from normkit.study import Study, StudyResult
from normkit.study.engine import Failure
from normkit.user_code import UserCodeError

NETS = """
import torch
from torch import nn

def block(inputs, norm):
    return nn.Sequential(nn.Conv2d(inputs, 4, 3, padding=1), norm(4), nn.ReLU(inplace=True))

def make(num_classes, in_channels, norm):
    return nn.Sequential(
        block(in_channels, norm), block(4, norm), block(4, norm),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, num_classes))

def given(num_classes):
    return make(num_classes, 1, nn.BatchNorm2d)

def bare(num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, num_classes))

def deaf(num_classes, norm):
    return bare(num_classes)

def plain(num_classes):
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(inplace=True),
        nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, num_classes))

def flat(num_classes, norm):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), norm(8, dims=1), nn.Linear(8, num_classes))

class Tires(nn.Module):
    def __init__(self, num_classes, norm):
        super().__init__()
        self.net, self.steps = make(num_classes, 1, norm), 0
        self.tires = any(isinstance(module, nn.GroupNorm) for module in self.modules())
    def forward(self, x):
        self.steps += self.training
        if self.tires and self.steps > 4:
            raise MemoryError("no more")
        return self.net(x)

def broken(num_classes, norm):
    return nn.Linear(64, num_classes)

def cells():
    from sklearn.datasets import load_digits
    digits = load_digits()
    return (digits.images[:120] / 16), digits.target[:120], lambda x: x + 0.01 * torch.randn_like(x)
"""

# Other images than those of the study that tests share, which is to find its cache empty.
SMALL = {"steps": 10, "batch": 8, "limit": 110, "budget": 1e-6, "workers": 1}


@pytest.fixture
def study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_cache: Path
) -> Callable[..., Study]:
    """Makes a small study of a network in `nets.py`."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared_cache))
    (tmp_path / "nets.py").write_text(NETS)

    def make(name: str, **changes: Any) -> Study:
        return Study(**{**SMALL, "model": f"nets.py:{name}", "norms": ["batch"], **changes})

    return make


def dropped(result: StudyResult) -> str:
    return "\n".join(told["en"] for told in result.document["dropped"])


@pytest.fixture(scope="module")
def compared(shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> StudyResult:
    """A finished study of a network that takes a norm; its folder is not to be changed."""
    place = tmp_path_factory.mktemp("compared")
    (place / "nets.py").write_text(NETS)
    claims = ["standardise", "gradients"]
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(place)
        patch.chdir(place)
        patch.setenv("XDG_CACHE_HOME", str(shared_cache))
        patch.setattr("normkit.study.run.Engine", HereEngine)
        study = Study(**SMALL, model="nets.py:make", norms=["batch"], claims=claims)
        return study.run(place / "study")


class TestANetworkThatTakesANorm:
    def test_is_compared_with_and_without_it(self, compared: StudyResult) -> None:
        document = compared.document
        assert [row["norm"] for row in document["choices"]["rows"]] == ["none", "batch"]
        assert [claim["id"] for claim in document["claims"]] == ["standardise", "gradients"]
        assert document["title"]["en"].startswith("What normalization does for the nets.py:make n")
        assert document["model"]["name"] == "nets.py:make"
        assert document["model"]["parameters"] == 40 + 148 + 148 + 170
        assert document["model"]["depth"] is None

    def test_its_norms_are_seen_to_standardise(self, compared: StudyResult) -> None:
        [verdict] = [v for v in compared.verdicts() if v["id"] == "identity"]
        assert (verdict["norm"], verdict["outcome"]) == ("batch", "supported")

    def test_its_gradients_are_measured_at_its_own_depth(self, compared: StudyResult) -> None:
        [claim] = [c for c in compared.document["claims"] if c["id"] == "gradients"]
        profile, shares = claim["figures"]
        assert {row["layer"] for row in profile["rows"]} == {1, 2, 3}
        assert all(row["gradient"] is not None for row in profile["rows"])
        assert {row["depth"] for row in shares["rows"]} == {3}
        assert "`gradients` measures the network at its own depth" in dropped(compared)

    def test_dropout_is_not_tried_and_that_is_told(
        self, study: Callable[..., Study], here: type
    ) -> None:
        small = study("make", claims=["overfitting"], budget=1e6)
        plan = small.outline(small.prepare()).plan
        assert plan.penalties == ("l1", "l2")
        assert plan.depths == (None,)
        assert plan.adjustable == frozenset()
        assert ["dropout" in told["en"] for told in plan.dropped] == [True]

    def test_makes_a_report(self, compared: StudyResult) -> None:
        assert "a network of your own" in report.html(compared.document)
        assert "您自己的网络" in report.html(compared.document, "zh")

    def test_changed_code_reuses_no_trial(
        self, compared: StudyResult, study: Callable[..., Study], here: type, tmp_path: Path
    ) -> None:
        again = study("make", claims=["standardise"])
        folder = shutil.copytree(compared.folder, tmp_path / "study")
        assert again.run(folder).document["trials"]["run"] == 0
        Path("nets.py").write_text(NETS + "\n# changed\n")
        changed = again.run(folder)
        assert changed.document["trials"]["reused"] == 0
        comparison = compared.compare(changed).document
        assert [f["id"] for f in comparison["facts"] if not f["same"]][:1] == ["own_code"]
        assert "other_code" in [caution["id"] for caution in comparison["cautions"]]


class TestANetworkThatTakesNone:
    def test_has_its_own_swapped(
        self, study: Callable[..., Study], here: type, tmp_path: Path
    ) -> None:
        result = study("given", norms=["group"], claims=["standardise"]).run(tmp_path / "study")
        document = result.document
        rows = document["choices"]["rows"]
        assert [row["norm"] for row in rows] == ["none", "group"]
        [verdict] = [v for v in result.verdicts() if v["id"] == "identity"]
        assert (verdict["norm"], verdict["outcome"]) == ("group", "supported")
        assert "3 norms that it has were swapped" in document["model"]["description"]["en"]
        assert document["title"]["en"].startswith("What normalization does for the nets.py:given n")

    def test_and_has_no_norms_gets_them_before_its_activations(
        self, study: Callable[..., Study], here: type, tmp_path: Path
    ) -> None:
        result = study("plain", claims=["standardise"]).run(tmp_path / "study")
        document = result.document
        assert [row["norm"] for row in document["choices"]["rows"]] == ["none", "batch"]
        [verdict] = [v for v in result.verdicts() if v["id"] == "identity"]
        assert (verdict["norm"], verdict["outcome"]) == ("batch", "supported")
        assert "inserted after 2 of its layers" in document["model"]["description"]["en"]
        assert document["model"]["parameters"] == 40 + 148 + 170

    def test_and_no_place_for_one_is_studied_as_it_is(
        self, study: Callable[..., Study], here: type, tmp_path: Path
    ) -> None:
        result = study("bare", norms=["batch", "group"]).run(tmp_path / "study")
        document = result.document
        [row] = document["choices"]["rows"]
        assert row["norm"] == "given"
        assert all(value["value"] is not None for name, value in row["values"].items()
                   if name not in ("steps", "seconds"))  # fmt: skip
        told = dropped(result)
        assert "`batch` and `group` could not be studied: the factory" in told
        assert "`def factory(num_classes, in_channels, norm)`" in told
        assert "`convergence`, `learning_rate`, `overfitting`" in told
        assert "nets.py:bare network as it is" in document["title"]["en"]
        assert document["recipe"]["found"] is True

    def test_and_has_no_norm_is_not_judged(
        self, study: Callable[..., Study], here: type, tmp_path: Path
    ) -> None:
        result = study("bare").run(tmp_path / "study")
        assert result.document["claims"] == []
        assert "`standardise` could not be judged: there is no norm layer" in dropped(result)
        text = report.text(result.document)
        assert "there is nothing to compare it with, so no claim is judged" in " ".join(
            text.split()
        )
        assert "The verdicts" not in text

    def test_but_accepts_one_without_calling_it_is_told_so(
        self, study: Callable[..., Study], here: type, tmp_path: Path
    ) -> None:
        result = study("deaf", claims=["cost"]).run(tmp_path / "study")
        assert "accepts `norm` but never calls it" in dropped(result)
        assert [row["norm"] for row in result.document["choices"]["rows"]] == ["given"]


class TestBadCode:
    @pytest.mark.parametrize(
        ("model", "message"),
        [
            ("nets.py:no_such", "nets.py has no 'no_such'"),
            ("no_such.py:make", "no_such.py is not a file"),
            ("nets.py:broken", "could not do a batch of images"),
        ],
    )
    def test_that_can_never_work_stops_before_the_first_trial(
        self, study: Callable[..., Study], here: type, tmp_path: Path, model: str, message: str
    ) -> None:
        with pytest.raises(UserCodeError, match=message):
            study("make", model=model).run(tmp_path / "study")
        assert list((tmp_path / "study" / "trials").iterdir()) == []

    def test_a_headline_norm_that_cannot_be_built_stops_it(
        self, study: Callable[..., Study], here: type, tmp_path: Path
    ) -> None:
        with pytest.raises(UserCodeError, match=r"with instance: .*could not"):
            study("flat", norms=["instance"]).run(tmp_path / "study")

    def test_another_norm_that_cannot_is_left_out_and_told(
        self, study: Callable[..., Study], here: type
    ) -> None:
        small = study("flat", norms=["batch", "instance"], claims=["cost"], budget=1e6)
        plan = small.outline(small.prepare()).plan
        assert plan.norms == ("none", "batch")
        [told] = plan.dropped
        assert told["en"].startswith("`instance` was left out: ")

    def test_what_fails_in_the_middle_spoils_nothing_else(
        self, study: Callable[..., Study], tmp_path: Path
    ) -> None:
        """In real workers: group norm's trials fail, after the first look went well."""
        small = study("Tires", norms=["batch", "group"], claims=["standardise", "cost"], budget=9)
        result = small.run(tmp_path / "study")
        document = result.document
        assert document["complete"] is False
        [failure] = document["failures"]
        assert re.fullmatch(
            r"\d+ trials of `group` failed \(seeds [\d, …]+; learning rates? [\d., ]+\): "
            r"MemoryError: no more \(nets\.py:\d+\)",
            failure["en"],
        )
        rows = {row["norm"]: row["values"] for row in document["choices"]["rows"]}
        assert all(cell["value"] is None for cell in rows["group"].values())
        for norm in ("none", "batch"):
            assert rows[norm]["test_error"]["value"] is not None
            assert rows[norm]["seconds_per_step"]["value"] is not None
        verdicts = {(v["id"], v["norm"]): v["outcome"] for v in result.verdicts()}
        assert verdicts["identity", "batch"] == "supported"
        assert ("seconds", "batch") in verdicts
        assert "nets.py:" in report.html(document)

    def test_an_arm_whose_trials_are_only_ever_stopped_is_given_up(
        self, study: Callable[..., Study], here: Any, tmp_path: Path, monkeypatch: Any
    ) -> None:
        run = here.run

        def stopping(self: Any, tasks: Any) -> Any:
            for task in tasks:
                if task.spec.norm == "group" and task.spec.kind == "train":
                    yield task, Failure(task, "it took too long", stopped=True)
                else:
                    yield from run(self, [task])

        monkeypatch.setattr(here, "run", stopping)
        small = study("make", norms=["batch", "group"], claims=["cost"], budget=9)
        stopped, not_run = small.run(tmp_path / "study").document["failures"]
        assert "trials of `group` failed" in stopped["en"]
        assert stopped["en"].endswith(": it took too long")
        assert not_run["en"].endswith("not run, since every trial of `group` before it was stopped")


class TestOwnImages:
    def test_are_studied_and_their_augmentation_is_told(
        self, study: Callable[..., Study], here: type, tmp_path: Path
    ) -> None:
        small = study("given", data="nets.py:cells", claims=["standardise"], limit=None)
        assert small.prepare().augmented
        document = small.run(tmp_path / "study").document
        assert document["data"]["spec"] == "nets.py:cells"
        assert document["data"]["augmented"] is True
        assert "augmentation of the data factory" in document["data"]["notes"][0]["en"]
        assert "--data nets.py:cells" in document["command"]


class TestFunctionsThemselves:
    def test_are_kept_by_their_names(self) -> None:
        kept = Study(model=StudyResult.load, data=report.write)  # type: ignore[arg-type]
        assert kept.model == "normkit.study.result:StudyResult.load"
        assert "--data normkit.report.export:write" in kept.command()
        assert Study(**kept.settings()).settings() == kept.settings()

    def test_that_have_no_name_are_refused(self) -> None:
        with pytest.raises(UserCodeError, match="a lambda or a function within a function"):
            nk.Study(model=lambda num_classes: None)

    def test_of_a_script_are_found_by_its_workers(self, tmp_path: Path, shared_cache: Path) -> None:
        script = (
            f"{NETS}\nif __name__ == '__main__':\n    import normkit as nk\n"
            f"    study = nk.Study(model=given, data=cells, claims=['standardise'], **{SMALL!r})\n"
            "    result = study.run('study')\n"
            "    print(result.document['trials']['failed'], study.command())\n"
        )
        (tmp_path / "script.py").write_text(script)
        environment = {**os.environ, "XDG_CACHE_HOME": str(shared_cache)}
        ran = subprocess.run(
            [sys.executable, "script.py"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.startswith(
            "0 normkit study --data script.py:cells --model script.py:given "
        )

    @pytest.mark.parametrize("name", ["depth", "width"])
    def test_decide_their_own_size(self, study: Callable[..., Study], name: str) -> None:
        with pytest.raises(ValueError, match=f"{name} is set in built-in models alone"):
            study("make", **{name: 4})
