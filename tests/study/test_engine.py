"""Worker processes: what they answer, what becomes of those that die, and that all of them end."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from normkit.data import Dataset
from normkit.study import train
from normkit.study.engine import Engine, Failure, Task, WorkerError
from normkit.study.record import Record
from normkit.study.spec import TrialSpec

Trial = Callable[..., TrialSpec]
DEADLINE = 60
"""Seconds after which a test gives up waiting for a process to end."""


def parent_of(process: int) -> int | None:
    try:
        # The name, in parentheses, may hold spaces.
        fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else int(fields[1])


def children(parent: int) -> set[int]:
    """Workers that a process has started: spawned children, its resource tracker left out."""
    running = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    started = [process for process in running if parent_of(process) == parent]
    return {process for process in started if b"spawn_main" in command_of(process)}


def command_of(process: int) -> bytes:
    """The command line; nothing once it has ended.

    A process that has just been started has its parent's, or an empty one, until its own program
    is in its place.
    """
    file, command = Path(f"/proc/{process}/cmdline"), b""
    own = Path(f"/proc/{os.getpid()}/cmdline").read_bytes()
    deadline = time.monotonic() + DEADLINE
    while command in (b"", own) and time.monotonic() < deadline:
        try:
            command = file.read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return b""
        if parent_of(process) is None:
            return b""
    return command


def wait_for_end(handle: int) -> bool:
    """Wait for the process behind a pidfd to end; False if it has not by the deadline."""
    ready, _, _ = select.select([handle], [], [], DEADLINE)
    return bool(ready)


@pytest.fixture(scope="module")
def engine(digits: Dataset) -> Iterator[Engine]:
    """Two workers, shared by the tests that leave them as they were."""
    with Engine(digits.folder, workers=2) as engine:
        yield engine


def outcomes(engine: Engine, tasks: list[Task]) -> dict[str, Record | Failure]:
    return {task.spec.name: answer for task, answer in engine.run(tasks)}


def test_every_task_gets_its_result(engine: Engine, trial: Trial) -> None:
    tasks = [Task(trial(seed=seed)) for seed in range(5)]
    found = outcomes(engine, tasks)
    assert {name: answer.spec for name, answer in found.items()} == {  # type: ignore[union-attr]
        task.spec.name: task.spec for task in tasks
    }


def test_no_tasks_give_no_results(engine: Engine) -> None:
    assert list(engine.run([])) == []


def test_two_workers_give_the_numbers_of_one_process(
    engine: Engine, digits: Dataset, trial: Trial
) -> None:
    probes = ("gradients", "standardise")
    tasks = [Task(trial(seed=seed, dropout=0.1), probes) for seed in range(4)]
    there = outcomes(engine, tasks)
    for task in tasks:
        here = train.run(task.spec, probes, digits)
        found = there[task.spec.name]
        assert isinstance(found, Record)
        assert (found.training(), found.probes) == (here.training(), here.probes)


def test_a_trial_that_raises_is_a_failure_with_its_reason_and_the_others_run(
    engine: Engine, trial: Trial
) -> None:
    good = [Task(trial(seed=seed)) for seed in range(3)]
    bad = Task(trial(batch=1000))
    found = outcomes(engine, [good[0], bad, *good[1:]])
    failure = found.pop(bad.spec.name)
    assert isinstance(failure, Failure)
    assert failure.task == bad
    assert "ValueError: training needs at least one full batch" in failure.reason
    assert "(normkit/study/train.py:" in failure.reason
    assert all(isinstance(answer, Record) for answer in found.values())


def test_started_is_called_with_every_task(engine: Engine, trial: Trial) -> None:
    tasks = [Task(trial(seed=seed)) for seed in range(3)]
    told: list[Task] = []
    list(engine.run(tasks, told.append))
    assert sorted(task.spec.seed for task in told) == [0, 1, 2]


def test_cost_trials_run_last_and_alone(engine: Engine, trial: Trial) -> None:
    cost = [
        Task(trial(kind="cost", seed=seed, steps=2, arms=("none", "batch"))) for seed in range(2)
    ]
    tasks = [cost[0], *(Task(trial(seed=seed)) for seed in range(3)), cost[1]]
    running: set[Task] = set()
    beside: dict[Task, set[Task]] = {}
    order: list[Task] = []

    def started(task: Task) -> None:
        beside[task] = set(running)
        running.add(task)

    for task, _ in engine.run(tasks, started):
        running.discard(task)
        order.append(task)
    assert order[-2:] == cost
    assert [beside[task] for task in cost] == [set(), set()]


def test_a_worker_heeds_no_ctrl_c_and_is_replaced_when_it_dies(
    digits: Dataset, trial: Trial
) -> None:
    before = children(os.getpid())
    # Long enough never to end by itself.
    endless = Task(trial(steps=10**7))
    others = [Task(trial(seed=seed)) for seed in range(3)]
    with Engine(digits.folder, workers=1) as engine:
        [worker] = children(os.getpid()) - before
        # At once, while it still starts: not even then does it stop or print a traceback.
        os.kill(worker, signal.SIGINT)
        [(_, first)] = engine.run([Task(trial())])
        assert isinstance(first, Record)
        assert children(os.getpid()) - before == {worker}

        # Killed while idle: nothing is lost, the next trial runs in another one.
        handle = os.pidfd_open(worker)
        os.kill(worker, signal.SIGKILL)
        assert wait_for_end(handle)
        os.close(handle)

        # Killed in a trial: that one has failed, and the others run in another one.
        def started(task: Task) -> None:
            if task == endless:
                [worker] = children(os.getpid()) - before
                os.kill(worker, signal.SIGKILL)

        found = dict(engine.run([endless, *others], started))
    failure = found.pop(endless)
    assert isinstance(failure, Failure)
    assert "ended without an answer (signal SIGKILL)" in failure.reason
    assert [type(answer) for answer in found.values()] == [Record] * 3


@pytest.fixture
def users(tmp_path: Path, trial: Trial) -> Callable[..., TrialSpec]:
    """Makes a trial of a network whose forward pass starts with a line of the user's."""

    def make(line: str, **changes: object) -> TrialSpec:
        file = tmp_path / f"net_{abs(hash(line))}.py"
        file.write_text(
            "import os, torch\nfrom torch import nn\nKEPT = []\n"
            "class Net(nn.Module):\n"
            "    def __init__(self, num_classes, norm):\n"
            "        super().__init__()\n"
            "        self.norm, self.last = norm(1), nn.Linear(64, num_classes)\n"
            "        self.calls = 0\n"
            "    def forward(self, x):\n"
            "        self.calls += 1\n"
            f"        {line}\n"
            "        return self.last(self.norm(x).flatten(1))\n"
        )
        return trial(model=f"{file}:Net", depth=None, width=None, **changes)

    return make


def test_a_users_network_trains_in_a_worker(engine: Engine, users: Any) -> None:
    [(_, answer)] = engine.run([Task(users("pass"), ("gradients", "standardise"))])
    assert isinstance(answer, Record), answer
    assert answer.status == "ok"


def test_a_trial_that_hangs_is_stopped_and_the_others_run(
    digits: Dataset, trial: Trial, users: Any
) -> None:
    hanging = Task(users("while self.calls > 3: pass"), seconds=0.3)
    others = [Task(trial(seed=seed), seconds=DEADLINE) for seed in range(2)]
    with Engine(digits.folder, workers=1) as engine:
        found = dict(engine.run([hanging, *others]))
    failure = found.pop(hanging)
    assert isinstance(failure, Failure)
    assert "the trial took longer than the 0.3 s that it may take" in failure.reason
    assert "--trial-seconds" in failure.reason
    assert [type(answer) for answer in found.values()] == [Record] * 2


def test_a_first_look_that_hangs_is_told_as_one(digits: Dataset, users: Any) -> None:
    look = Task(users("while True: pass", kind="check"), seconds=0.3)
    with Engine(digits.folder, workers=1) as engine:
        [(_, failure)] = engine.run([look])
    assert isinstance(failure, Failure)
    assert "the first look at it took longer than the 0.3 s" in failure.reason


def test_a_trial_that_leaks_is_stopped_and_the_others_run(
    digits: Dataset, trial: Trial, users: Any
) -> None:
    # Written to, or it would be no memory yet.
    leaking = Task(users("KEPT.append(torch.ones(1 << 22))", steps=10**6))
    with Engine(digits.folder, workers=1, memory=3 << 29) as engine:
        found = dict(engine.run([leaking, Task(trial())]))
    failure = found.pop(leaking)
    assert isinstance(failure, Failure)
    assert "more memory than the 1.5 GiB that its process may use" in failure.reason
    assert [type(answer) for answer in found.values()] == [Record]


def test_a_worker_that_has_grown_is_replaced_between_trials(
    digits: Dataset, trial: Trial, users: Any
) -> None:
    keeping = users("KEPT or KEPT.append(torch.ones(1 << 28))")  # a GiB
    before = children(os.getpid())
    with Engine(digits.folder, workers=1, memory=2 << 30) as engine:
        list(engine.run([Task(trial())]))
        first = children(os.getpid()) - before
        list(engine.run([Task(trial(seed=1))]))
        assert children(os.getpid()) - before == first
        [(_, answer)] = engine.run([Task(keeping)])
        assert isinstance(answer, Record), answer
        assert not (children(os.getpid()) - before) & first
        [(_, answer)] = engine.run([Task(trial(seed=2))])
        assert isinstance(answer, Record)


def test_what_a_users_network_raises_is_told_with_its_own_line(engine: Engine, users: Any) -> None:
    [(_, failure)] = engine.run([Task(users("x @ torch.zeros(3, 3)"))])
    assert isinstance(failure, Failure)
    assert failure.reason.startswith("RuntimeError: ")
    assert re.search(r"\(net_\d+\.py:11\)$", failure.reason)


def test_how_long_a_task_may_take_is_no_part_of_what_it_is(trial: Trial) -> None:
    assert Task(trial(), seconds=3.0) == Task(trial())


def test_leaving_the_block_ends_the_workers_at_once(digits: Dataset, trial: Trial) -> None:
    before = children(os.getpid())
    tasks = [Task(trial()), Task(trial(steps=10**7))]
    with Engine(digits.folder, workers=2) as engine:
        next(engine.run(tasks))  # the other worker is still in its trial
        assert len(children(os.getpid()) - before) == 2
    assert children(os.getpid()) == before


@pytest.mark.parametrize("workers", [0, -1])
def test_an_engine_needs_a_worker(digits: Dataset, workers: int) -> None:
    with pytest.raises(ValueError, match=f"at least one worker; got {workers}"):
        Engine(digits.folder, workers)


def test_workers_that_cannot_start_are_an_error_and_no_failed_trial(
    digits: Dataset, trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nexit 7\n")
    broken.chmod(0o755)
    monkeypatch.setattr("multiprocessing.spawn._python_exe", os.fsencode(broken))
    with (
        Engine(digits.folder, workers=1) as engine,
        pytest.raises(WorkerError, match=r"one ended before it took a trial \(exit 7\)"),
    ):
        list(engine.run([Task(trial())]))


SCRIPT = """
import sys
from normkit.study.engine import Engine, Task
from normkit.study.spec import TrialSpec

spec = TrialSpec(data=sys.argv[2], model="plain", norm="none", seed=0, rate=0.001, steps=10**7,
                 batch=8, depth=2, width=4)
tasks = [Task(spec), Task(spec.but(seed=1))]
running = []

def started(task):
    running.append(task)
    if len(running) == 2:
        print("at work", flush=True)

with Engine(sys.argv[1], workers=2) as engine:
    for _ in engine.run(tasks, started):
        pass
"""


def test_no_worker_outlives_a_parent_killed_with_sigkill(digits: Dataset) -> None:
    # A program from standard input, without a `__main__` guard: workers do not run it again.
    program = f"import sys; sys.argv[1:] = {[str(digits.folder), digits.fingerprint]!r}\n{SCRIPT}"
    with subprocess.Popen(
        [sys.executable, "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        timer = threading.Timer(DEADLINE, parent.kill)
        timer.start()
        assert parent.stdin is not None
        assert parent.stdout is not None
        parent.stdin.write(program)
        parent.stdin.close()
        first = parent.stdout.readline()
        timer.cancel()
        assert first == "at work\n"
        workers = children(parent.pid)
        handles = [os.pidfd_open(worker) for worker in workers]
        parent.kill()
        ended = [wait_for_end(handle) for handle in handles]
    for handle in handles:
        os.close(handle)
    assert ended == [True, True]
