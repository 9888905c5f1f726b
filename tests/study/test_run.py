"""The main job: what a study writes, how it goes on where it stopped, and what it refuses."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from normkit.study import StoreError, Study, StudyResult
from normkit.study.engine import Failure, Task
from normkit.study.events import Event
from normkit.study.plan import Plan
from normkit.study.run import _with_images_enough
from normkit.study.spec import TrialSpec

TIMED = ("started", "seconds", "trials")
"""What differs from run to run in the results, beside the columns that hold seconds."""


def without_times(document: dict[str, Any]) -> dict[str, Any]:
    kept = json.loads(json.dumps({k: v for k, v in document.items() if k not in TIMED}))
    for row in kept["choices"]["rows"]:
        for column in ("seconds", "seconds_per_step"):
            del row["values"][column]
    return kept


def trials_without_times(folder: Path) -> dict[str, bytes]:
    files = {}
    for file in (folder / "trials").iterdir():
        stored = json.loads(file.read_bytes())
        del stored["times"]
        files[file.name] = json.dumps(stored).encode()
    return files


def states(folder: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of change of each trial's file: both change when it is written again."""
    stats = {file.name: file.stat() for file in (folder / "trials").iterdir()}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in stats.items()}


class TestAStudy:
    def test_writes_its_plan_its_trials_and_its_results(self, finished: Any) -> None:
        names = {entry.name for entry in finished.result.folder.iterdir()}
        assert names == {".lock", "study.json", "trials", "results.json"}

    def test_writes_one_file_per_trial_that_ran(self, finished: Any) -> None:
        counts = finished.result.document["trials"]
        # A trial that is asked for again, with one probe more, runs again.
        assert 0 < len(finished.files) <= counts["run"]
        assert (counts["reused"], counts["failed"]) == (0, 0)

    def test_is_complete(self, finished: Any) -> None:
        assert finished.result.document["complete"] is True
        assert finished.result.document["failures"] == []

    def test_finds_that_batch_norm_standardises(self, finished: Any) -> None:
        [verdict] = finished.result.verdicts()
        assert (verdict["claim"], verdict["norm"]) == ("standardise", "batch")
        assert verdict["outcome"] == "supported"

    def test_can_be_loaded_from_its_folder(self, finished: Any) -> None:
        assert StudyResult.load(finished.result.folder) == finished.result

    def test_keeps_the_identity_that_a_resumed_study_must_share(self, finished: Any) -> None:
        stored = json.loads((finished.result.folder / "study.json").read_text())
        assert stored["identity"]["data"] == finished.study.prepare().fingerprint
        assert not {"workers", "trial_seconds"} & set(stored["identity"]["settings"])

    def test_tells_its_watcher_the_plan_every_trial_and_the_end(self, finished: Any) -> None:
        kinds = [event.kind for event in finished.events]
        assert list(dict.fromkeys(kinds)) == ["data", "plan", "trial", "done"]
        assert kinds == sorted(kinds, key=["data", "plan", "trial", "done"].index)
        done = [event.done for event in finished.events if event.kind == "trial"]
        assert done == list(range(1, finished.result.document["trials"]["run"] + 1))

    def test_tells_a_time_left_that_is_finite_and_a_total_never_passed(self, finished: Any) -> None:
        for event in finished.events:
            assert event.done <= event.total
            if event.kind in ("plan", "trial"):
                assert event.seconds_left is not None
                assert 0 <= event.seconds_left < math.inf

    def test_tells_the_command_that_repeats_it(self, finished: Any) -> None:
        assert finished.study.command() == (
            "normkit study --norms batch --claims standardise --budget 1e-06 --steps 10 "
            "--batch 8 --depth 2 --width 4 --limit 100 --workers 1"
        )

    def test_quotes_what_a_shell_would_split(self) -> None:
        study = Study(data="folder:my images", skip_bad=True)
        assert study.command() == "normkit study --data 'folder:my images' --skip-bad"


class TestGoingOn:
    def test_in_a_finished_folder_runs_nothing(self, finished: Any, copy: Path, here: type) -> None:
        before = states(copy)
        result = finished.study.run(copy)
        assert result.document["trials"]["run"] == 0
        assert result.document["trials"]["reused"] == len(finished.files)
        assert states(copy) == before
        assert without_times(result.document) == without_times(finished.result.document)

    def test_runs_only_the_trials_that_have_no_file(
        self, finished: Any, copy: Path, here: type
    ) -> None:
        before = states(copy)
        gone = sorted(before)[::2]
        for name in gone:
            (copy / "trials" / name).unlink()
        events: list[Event] = []
        result = finished.study.run(copy, events.append)
        counts = result.document["trials"]
        assert counts["run"] >= len(gone)
        assert counts["reused"] == len(before) - len(gone)
        after = states(copy)
        assert {name for name in after if after[name] == before[name]} == {*before} - {*gone}
        assert trials_without_times(copy) == trials_without_times(finished.result.folder)
        assert without_times(result.document) == without_times(finished.result.document)
        left = [event.seconds_left for event in events if event.kind == "trial"]
        assert all(value is not None and math.isfinite(value) for value in left)

    def test_runs_a_damaged_trial_again(self, finished: Any, copy: Path, here: type) -> None:
        name = min(n for n, content in finished.files.items() if b'"test":"never"' in content)
        (copy / "trials" / name).write_bytes(finished.files[name][:-9])
        result = finished.study.run(copy)
        assert result.document["trials"]["run"] == 1
        assert trials_without_times(copy) == trials_without_times(finished.result.folder)

    @pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
    def test_after_an_interruption_ends_with_the_same_trials(
        self, finished: Any, tmp_path: Path, here: type, error: type[BaseException]
    ) -> None:
        def interrupt(event: Event) -> None:
            if event.kind == "trial" and event.done == len(finished.files) // 2:
                raise error

        with pytest.raises(error):
            finished.study.run(tmp_path / "study", interrupt)
        before = states(tmp_path / "study")
        assert len(before) == len(finished.files) // 2
        result = finished.study.run(tmp_path / "study")
        assert result.document["trials"]["reused"] == len(before)
        after = states(tmp_path / "study")
        assert {name: after[name] for name in before} == before
        assert trials_without_times(tmp_path / "study") == trials_without_times(
            finished.result.folder
        )

    def test_after_sigkill_runs_no_finished_trial_twice(
        self, finished: Any, tmp_path: Path, here: type
    ) -> None:
        folder = tmp_path / "study"
        program = (
            "from normkit.study import Study\n"
            f"Study(**{finished.study.settings()!r}).run({str(folder)!r}, "
            "lambda event: print(event.kind, flush=True))\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            seen = 0
            for line in process.stdout:
                seen += line == "trial\n"
                if seen == len(finished.files) // 2:
                    break
            process.kill()
        assert process.returncode == -9
        assert not (folder / "results.json").exists()
        before = states(folder)
        assert len(finished.files) > len(before) >= len(finished.files) // 2
        result = finished.study.run(folder)
        after = states(folder)
        assert {name: after[name] for name in before} == before
        assert trials_without_times(folder) == trials_without_times(finished.result.folder)
        assert without_times(result.document) == without_times(finished.result.document)

    @pytest.mark.parametrize("level", [None, "two", 1000, -1])
    def test_with_a_damaged_plan_fits_a_new_one(
        self, finished: Any, copy: Path, here: type, level: object
    ) -> None:
        stored = json.loads((copy / "study.json").read_text())
        (copy / "study.json").write_text(json.dumps({**stored, "level": level}))
        assert finished.study.run(copy).document["trials"]["run"] == 0


class TestATrialThatLacksAProbe:
    @pytest.fixture
    def lacking(self, copy: Path) -> Path:
        """The file of a judged trial, as a study without the claim would have left it."""
        from normkit.study.spec import canonical
        from normkit.study.store import _digest

        for file in sorted((copy / "trials").iterdir()):
            stored = json.loads(file.read_text())
            if stored["probed"]:
                stored |= {"probed": [], "probes": {}}
                times = stored.pop("times")
                del stored["digest"]
                file.write_text(canonical({**stored, "digest": _digest(stored), "times": times}))
                return file
        raise LookupError("no trial has a probe")

    def test_is_run_again_and_measured(
        self, finished: Any, copy: Path, lacking: Path, here: type
    ) -> None:
        result = finished.study.run(copy)
        assert result.document["trials"]["run"] == 1
        assert trials_without_times(copy) == trials_without_times(finished.result.folder)

    def test_must_give_the_same_numbers(
        self, finished: Any, copy: Path, lacking: Path, here: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def run(self: object, tasks: Sequence[Task]) -> Iterator[Any]:
            for task, record in here_run(self, tasks):
                if record.final:
                    record.final["train_loss"] += 1e-9
                yield task, record

        here_run = here.run
        monkeypatch.setattr(here, "run", run)
        before = lacking.read_bytes()
        with pytest.raises(StoreError, match="must give the same training numbers") as told:
            finished.study.run(copy)
        for cause in ("trials of another machine", "its augmentation draws from a generator of"):
            assert cause in str(told.value)
        assert lacking.read_bytes() == before


class TestFailures:
    @pytest.fixture
    def failing(self, here: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
        """Makes the trials fail for which `when(spec)` holds."""

        def fail(when: Callable[[TrialSpec], bool]) -> None:
            run = here.run

            def or_fail(self: object, tasks: Sequence[Task]) -> Iterator[Any]:
                for task in tasks:
                    if task.spec.kind != "pace" and when(task.spec):
                        yield task, Failure(task, "RuntimeError: no luck (train.py:1)")
                    else:
                        yield from run(self, [task])

            monkeypatch.setattr(here, "run", or_fail)

        return fail

    @pytest.mark.parametrize(
        "when",
        [
            lambda spec: spec.kind == "cost",
            lambda spec: spec.test == "end" and spec.norm == "batch",
            lambda spec: spec.norm == "none",
            lambda spec: spec.seed >= 500,
            lambda spec: True,
        ],
        ids=["cost", "judged", "none", "tuning", "all"],
    )
    def test_are_told_and_the_study_goes_on(
        self,
        finished: Any,
        tmp_path: Path,
        failing: Callable[..., None],
        when: Callable[[TrialSpec], bool],
    ) -> None:
        failing(when)
        document = finished.study.run(tmp_path / "study").document
        failed = document["trials"]["failed"]
        assert failed > 0
        assert document["complete"] is False
        counts = [int(told["en"].split()[0]) for told in document["failures"]]
        assert sum(counts) == failed
        for told in document["failures"]:
            assert told["en"].endswith(": RuntimeError: no luck (train.py:1)")
            assert told["zh"].endswith("：RuntimeError: no luck (train.py:1)")

    def test_are_tried_again_by_the_next_run(
        self,
        finished: Any,
        tmp_path: Path,
        failing: Callable[..., None],
        monkeypatch: pytest.MonkeyPatch,
        here: Any,
    ) -> None:
        with monkeypatch.context() as patch:
            run = here.run
            failing(lambda spec: spec.kind == "cost")
            failed = finished.study.run(tmp_path / "study").document["trials"]["failed"]
            patch.setattr(here, "run", run)
            document = finished.study.run(tmp_path / "study").document
        assert document["complete"] is True
        assert document["trials"]["run"] == failed

    def test_of_every_trial_in_a_worker_are_told(
        self, finished: Any, shared_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

        def damage(event: Event) -> None:
            if event.kind == "plan":
                [images] = (tmp_path / "cache").rglob("images.bin")
                os.truncate(images, 10)

        document = finished.study.run(tmp_path / "study", damage).document
        assert document["complete"] is False
        assert document["trials"]["failed"] == document["trials"]["run"]
        assert "images.bin" in document["failures"][0]["en"]


class TestTheFolder:
    def test_of_a_running_study_is_refused(self, finished: Any, tmp_path: Path, here: type) -> None:
        def start_another(event: Event) -> None:
            if event.kind == "plan":
                finished.study.run(tmp_path / "study")

        with pytest.raises(StoreError, match="another one is running"):
            finished.study.run(tmp_path / "study", start_another)

    def test_that_holds_something_else_is_refused_before_any_work(
        self, finished: Any, tmp_path: Path
    ) -> None:
        (tmp_path / "thesis.tex").touch()
        with pytest.raises(StoreError, match="a folder of its own"):
            finished.study.run(tmp_path)
        assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]

    def test_may_hold_two_studies_that_leave_each_others_trials_alone(
        self, finished: Any, copy: Path, here: type
    ) -> None:
        another = Study(**{**finished.study.settings(), "seed": 1})
        assert another.run(copy).document["trials"]["run"] > 0
        assert finished.study.run(copy).document["trials"]["run"] == 0


def test_a_claim_whose_batches_are_larger_than_the_data_is_left_out_and_told(
    full_plan: Plan,
) -> None:
    assert _with_images_enough(full_plan, 64) is full_plan
    plan = _with_images_enough(full_plan, 63)
    assert set(full_plan.claims) - set(plan.claims) == {"batch_size"}
    assert plan.dropped[-1]["en"] == (
        "`batch_size` needs 64 training images, twice a batch; there are 63."
    )
