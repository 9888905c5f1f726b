"""A small data set, small trials of it, and a small study that every test here can share."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from normkit.data import Dataset, prepare
from normkit.study import Study, StudyResult, train
from normkit.study.claims import claims
from normkit.study.engine import Failure, Task
from normkit.study.events import Event
from normkit.study.plan import Plan
from normkit.study.record import Record
from normkit.study.spec import TrialSpec
from normkit.user_code import UserCodeError


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As in a worker: sums over one thread come out the same every time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A hundred real digits: 60 for training, 20 for validation, 20 for the test."""
    return prepare("digits", limit=100, cache=tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def trial(digits: Dataset) -> Callable[..., TrialSpec]:
    """Makes the specification of a small trial on the hundred digits: `trial(rate=0.1)`."""

    def make(**changes: object) -> TrialSpec:
        small = TrialSpec(
            data=digits.fingerprint,
            model="plain",
            norm="batch",
            seed=0,
            rate=0.1,
            steps=6,
            batch=8,
            depth=2,
            width=4,
        )
        return small.but(**changes)

    return make


SMALL = {
    "norms": ["batch"],
    "claims": ["standardise"],
    "steps": 10,
    "batch": 8,
    "depth": 2,
    "width": 4,
    "limit": 100,
    # So little that the smallest plan is taken, whatever the pace of this machine.
    "budget": 1e-6,
    "workers": 1,
}


@dataclass(frozen=True)
class Finished:
    """A small study that has run, in worker processes, and what it told its watcher."""

    study: Study
    result: StudyResult
    events: list[Event]
    files: dict[str, bytes]
    """Its trials' files by name, as they were when it ended."""


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def finished(shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Runs once for all tests; its folder is not to be changed."""
    study, events = Study(**SMALL), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(shared_cache))
        result = study.run(tmp_path_factory.mktemp("studies") / "small", events.append)
    files = {file.name: file.read_bytes() for file in (result.folder / "trials").iterdir()}
    return Finished(study, result, events, files)


class HereEngine:
    """In place of an engine: runs the trials in this process, so that no worker has to start."""

    def __init__(self, dataset: Path, workers: int) -> None:
        self.dataset = Dataset.open(dataset)

    def __enter__(self) -> HereEngine:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Record | Failure]]:
        for task in tasks:
            try:
                answer: Record | Failure = train.run(task.spec, task.probes, self.dataset)
            except UserCodeError as error:
                answer = Failure(task, str(error))
            yield task, answer


@pytest.fixture
def here(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> type[HereEngine]:
    """Studies of this test run their trials in this process, on the shared cache of data."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared_cache))
    monkeypatch.setattr("normkit.study.run.Engine", HereEngine)
    return HereEngine


@pytest.fixture
def copy(finished: Finished, tmp_path: Path) -> Path:
    """A copy of the finished study's folder, to be changed."""
    return Path(shutil.copytree(finished.result.folder, tmp_path / "copy"))


@pytest.fixture(scope="session")
def full_plan() -> Plan:
    """A plan of all claims, before anything is cut."""
    prototype = TrialSpec(
        data="d", model="plain", norm="none", seed=0, rate=0.0, steps=200, batch=32, depth=8
    )
    return Plan(
        prototype=prototype,
        classes=10,
        chance=0.1,
        norms=("none", "batch", "group"),
        headline="batch",
        claims=tuple(claims()),
        seeds=tuple(range(8)),
        exploratory_seeds=(0, 1, 2),
        tuning_seeds=(500, 501),
        exploratory_tuning_seeds=(500, 501),
        gap_seeds=tuple(range(32)),
        reduced_tuning_seeds=tuple(range(500, 508)),
        reduced_images=128,
        reduced_steps=400,
    )
