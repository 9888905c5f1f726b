"""Local worker processes: one trial at a time each, one thread each, ending with their parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType, TracebackType

from normkit.study import memory as memory_room
from normkit.study.record import Record
from normkit.study.spec import TrialSpec
from normkit.user_code import UserCodeError, raised

_TICK = 0.2
"""Seconds between two looks at what the running trials take."""

_SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Task:
    """A trial to run, and what to measure along the way."""

    spec: TrialSpec
    probes: tuple[str, ...] = ()
    seconds: float | None = field(default=None, compare=False)
    """How long it may take, if not as long as it likes: a rule for the run, no part of the task."""


@dataclass(frozen=True)
class Failure:
    """A trial that raised, or whose process died or was ended: the reason, for the report."""

    task: Task
    reason: str
    stopped: bool = False
    """Whether it was ended for what it took, instead of ending by itself."""


class WorkerError(RuntimeError):
    """No worker process can be started on this machine, so that no trial can run."""


class Engine:
    """A pool of worker processes.

    Args:
        dataset: folder of the prepared data set, opened once by every worker.
        workers: number of processes; each computes with one thread.
        memory: bytes that each process may use; an equal share of those available now unless
            given.

    Raises:
        ValueError: fewer than one worker.

    Use it as a context manager: leaving the block ends the workers at once, exception or not.
    """

    def __init__(self, dataset: Path, workers: int, memory: int | None = None) -> None:
        if workers < 1:
            raise ValueError(f"a study needs at least one worker; got {workers}")
        if memory is None:
            memory = memory_room.available() // workers
        self._slots: list[_Slot] = []
        try:
            for _ in range(workers):
                self._slots.append(_Slot(dataset, memory))
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def _end(self) -> None:
        for slot in self._slots:
            slot.end()

    def run(
        self, tasks: Sequence[Task], started: Callable[[Task], None] = lambda task: None
    ) -> Iterator[tuple[Task, Record | Failure]]:
        """Run all tasks, yielding each result as it comes.

        Cost trials run last and alone: their seconds must not be shared with a neighbour. A trial
        that raises, or whose process dies, gives a :class:`Failure`, and the others go on. So does
        one that takes longer than its task allows, or more memory than its process may use: the
        process is ended, and another one takes its place.

        Args:
            tasks: the trials; equal ones run as often as they are given.
            started: called with each task as it is handed to a worker.

        Raises:
            WorkerError: a worker ended before it could take a trial.
        """
        contended = [task for task in tasks if task.spec.kind != "cost"]
        alone = [task for task in tasks if task.spec.kind == "cost"]
        yield from self._run(contended, self._slots, started)
        yield from self._run(alone, self._slots[:1], started)

    def _run(
        self, tasks: Sequence[Task], slots: Sequence[_Slot], started: Callable[[Task], None]
    ) -> Iterator[tuple[Task, Record | Failure]]:
        waiting = deque(tasks)
        busy: dict[Connection, tuple[_Slot, Task]] = {}
        free = list(slots)
        while waiting or busy:
            while waiting and free:
                slot, task = free.pop(), waiting.popleft()
                slot.send(task)
                busy[slot.connection] = slot, task
                started(task)
            # A worker that dies closes its end of the connection, which is ready to read then.
            ended = wait(list(busy), _TICK)
            answers: dict[Connection, Record | str] = {}
            stopped: set[Connection] = set()
            for connection, (slot, _) in busy.items():
                if connection in ended:
                    answers[connection] = slot.receive()
                elif reason := slot.excess():
                    answers[connection] = reason
                    stopped.add(connection)
            for connection, answer in answers.items():
                slot, task = busy.pop(connection)
                free.append(slot)
                if isinstance(answer, str):
                    yield task, Failure(task, answer, connection in stopped)
                else:
                    yield task, answer


class _Slot:
    """One worker process, replaced by a fresh one if it dies or has to be ended."""

    def __init__(self, dataset: Path, memory: int) -> None:
        self._dataset = dataset
        self._memory = memory
        self._start()

    def _start(self) -> None:
        self.connection, theirs = _SPAWN.Pipe()
        self._process: BaseProcess = _SPAWN.Process(
            target=_work, args=(theirs, self._dataset), daemon=True, name="normkit trial"
        )
        with _main_module_left_out(), _interrupts_held_back():
            self._process.start()
        theirs.close()
        self._ready = False

    def send(self, task: Task) -> None:
        try:
            self._await_ready()
            self.connection.send(task)
        except (BrokenPipeError, ConnectionResetError):
            # It died while idle; the task has not begun, so nothing is lost.
            self._replace()
            self._await_ready()
            self.connection.send(task)
        self._task, self._begun = task, time.monotonic()

    def excess(self) -> str | None:
        """End a process that takes more time or memory than it may, and say which; or None."""
        reason = None
        what = "the first look at it" if self._task.spec.kind == "check" else "the trial"
        limit = self._task.seconds
        if limit is not None and time.monotonic() - self._begun > limit:
            reason = (
                f"{what} took longer than the {limit:.3g} s that it may take, and was stopped: if "
                "it is only slow, give it more with --trial-seconds"
            )
        elif self._used() > self._memory:
            reason = (
                f"{what} took more memory than the {memory_room.told(self._memory)} that its "
                "process may use, and was stopped: look for what it keeps from step to step, or "
                "use fewer workers or a smaller batch"
            )
        if reason:
            self._replace()
        return reason

    def _used(self) -> int:
        pid = self._process.pid
        return memory_room.used_by(pid) if pid is not None else 0

    def _replace(self) -> None:
        self.end()
        self._start()

    def _await_ready(self) -> None:
        """Wait for a new worker's first word, which it sends once it can take a trial."""
        if self._ready:
            return
        try:
            self.connection.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            raise WorkerError(
                "a study needs worker processes that start; one ended before it took a trial "
                f"({_ending(self._process.exitcode)}): look above for its error, and for free "
                "memory"
            ) from None
        self._ready = True
        self._at_start = self._used()

    def receive(self) -> Record | str:
        try:
            answer: Record | str = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            ending = _ending(self._process.exitcode)
            self._replace()
            return (
                f"the trial's process ended without an answer ({ending}); "
                "out of memory is the usual cause: use fewer workers or a smaller batch"
            )
        if self._used() - self._at_start > memory_room.GROWN * self._memory:
            # What it keeps from trial to trial is not to add up until one of them is stopped.
            self._replace()
        return answer

    def end(self) -> None:
        self._process.kill()
        self._process.join()
        self.connection.close()


@contextmanager
def _main_module_left_out() -> Iterator[None]:
    """Start a process that does not import the caller's main module again.

    A worker needs nothing of it; importing it would run a script without a `__main__` guard a
    second time, and fail for a program that came from standard input.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Start a process that Ctrl-C does not reach, not even while it starts: it is the parent's."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ending(code: int | None) -> str:
    """How a process ended, by its exit code."""
    if code is None or code >= 0:
        return f"exit {code}"
    names = {int(known): known.name for known in signal.Signals}
    return f"signal {names.get(-code, -code)}"


def _work(connection: Connection, dataset: Path) -> None:
    """A worker's life: take a task, run it, answer; end with the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # cuBLAS is deterministic only with a fixed workspace, which it reads when it starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    threading.Thread(target=_end_with_parent, daemon=True).start()

    import torch

    from normkit.data import Dataset
    from normkit.study import train

    torch.set_num_threads(1)
    # What has no deterministic version on a GPU, as adaptive pooling in a network of the user's,
    # runs as it is.
    torch.use_deterministic_algorithms(True, warn_only=True)
    warnings.filterwarnings("ignore", message=".* does not have a deterministic implementation")
    opened: Dataset | None = None
    connection.send("ready")
    while True:
        try:
            task: Task = connection.recv()
        except EOFError:
            return
        try:
            opened = opened or Dataset.open(dataset)
            answer: Record | str = train.run(task.spec, task.probes, opened)
        except UserCodeError as error:
            answer = str(error)
        except (Exception, SystemExit) as error:
            # Not swallowed: the parent records the reason and the report names the trial.
            answer = raised(error)
        connection.send(answer)


def _end_with_parent() -> None:
    """Wait until the parent is gone, however it went, and go too."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
