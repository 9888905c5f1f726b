"""What a study keeps of a trial that it runs again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from normkit.study.engine import Task
from normkit.study.events import unwatched
from normkit.study.progress import Progress
from normkit.study.record import Record
from normkit.study.spec import TrialSpec
from normkit.study.store import Store, StoreError


@pytest.fixture
def progress(tmp_path: Path) -> Progress:
    store = Store(tmp_path / "study")
    with store.locked():
        outline: Any = SimpleNamespace(plan=None, seconds=1.0, workers=1)
        return Progress(store, None, outline, unwatched)  # type: ignore[arg-type]


def test_a_trial_run_again_must_give_the_same_numbers_but_on_a_gpu(
    progress: Progress, trial: Callable[..., TrialSpec]
) -> None:
    for device in ("cpu", "cuda"):
        task = Task(trial(device=device), ("lesson",))
        before, after = (Record(task.spec, "ok", [], {"train_loss": x}, {}) for x in (1.0, 1.1))
        if device == "cpu":
            with pytest.raises(StoreError, match="must give the same training numbers"):
                progress._keep(task, after, before)
            assert progress.store.load(task.spec) is None
        else:
            progress._keep(task, after, before)
            assert progress.store.load(task.spec) == (after, frozenset({"lesson"}))


def test_what_could_not_be_measured_is_asked_for_no_more_now_and_again_by_the_next_run(
    progress: Progress, trial: Callable[..., TrialSpec]
) -> None:
    task = Task(trial(), ("lesson", "standardise"))
    record = Record(task.spec, "ok", [], {}, {}, unmeasured={"lesson": "MemoryError"})
    progress._keep(task, record, None)
    assert progress.finished.find(task) is record
    assert progress.store.load(task.spec) == (record, frozenset({"standardise"}))
