"""A running study: the trials that its claims ask for, run until none asks for more."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from normkit.data import Dataset
from normkit.study import choices, failures, lesson
from normkit.study.bilingual import Text
from normkit.study.claim import Finding
from normkit.study.claims import claims
from normkit.study.context import Context, FinishedTrials, NeedTrials
from normkit.study.engine import Engine, Failure, Task
from normkit.study.events import Event, Watch
from normkit.study.plan import Plan
from normkit.study.record import Record
from normkit.study.rehearsal import Pace, seconds
from normkit.study.store import Store, StoreError

PATIENCE = 20
"""How many times its estimated time a trial may take before it is stopped."""


HOPELESS = 8
"""So many trials of an arm were stopped, and none ran: the rest, as slow to fail, is not tried."""


@dataclass(frozen=True, kw_only=True)
class Outline:
    """A study before it runs: its plan, and what it is expected to cost."""

    plan: Plan
    level: int
    trials: int
    seconds: float
    budget_seconds: float
    workers: int
    pace: Pace
    trial_seconds: float | None = None
    """What each trial may take, if the user said so."""
    least_seconds: float = math.inf
    """What each may take at least, if not."""


class Progress:
    """Runs what the claims ask for until none asks for more."""

    def __init__(self, store: Store, data: Dataset, outline: Outline, watch: Watch) -> None:
        self.store, self.data, self.watch, self.outline = store, data, watch, outline
        self.reasons: dict[str, str] = {}
        self.finished = FinishedTrials(failures=self.reasons)
        self.failures: dict[str, Failure] = {}
        self.context = Context(outline.plan, self.finished)
        self.ran = self.reused = 0
        self._clock = time.perf_counter()
        self._spent = 0.0
        self._expected = max(outline.seconds * outline.workers, 1e-9)

    @property
    def done(self) -> int:
        return self.ran + self.reused

    def complete(self, engine: Engine) -> tuple[dict[str, Finding], dict[str, Any]]:
        """Judge every claim and fill the table of choices, running the trials they need.

        Those that the lesson is told from run too.
        """
        while True:
            wanted: dict[str, Task] = {}
            findings: dict[str, Finding] = {}
            table: dict[str, Any] = {}
            for name in self.context.plan.claims:
                try:
                    findings[name] = claims()[name].judge(self.context)
                except NeedTrials as need:
                    _merge(wanted, need.tasks)
            try:
                table = choices.compare(self.context)
            except NeedTrials as need:
                _merge(wanted, need.tasks)
            try:
                lesson.ask(self.context)
            except NeedTrials as need:
                _merge(wanted, need.tasks)
            if not wanted:
                return findings, table
            self._run(engine, list(wanted.values()))

    def _run(self, engine: Engine, tasks: list[Task]) -> None:
        before: dict[str, Record] = {}
        to_run: list[Task] = []
        for task in tasks:
            stored = self.store.load(task.spec)
            if stored and stored[1] >= set(task.probes):
                self.finished.records[task.spec.name] = stored
                self.reused += 1
                self._expected -= self._estimate(task)
                continue
            if stored:
                # A stored trial that lacks a probe runs again, and must give the same numbers.
                before[task.spec.name] = stored[0]
                task = Task(task.spec, tuple(sorted({*task.probes, *stored[1]})))
            to_run.append(Task(task.spec, task.probes, self._allowed(task)))
        to_run = [task for task in to_run if not self._given_up(task)]
        remaining = len(to_run)
        for task, answer in engine.run(to_run):
            if isinstance(answer, Failure):
                self.failures[task.spec.name] = answer
                self.reasons[task.spec.name] = answer.reason
            else:
                self._keep(task, answer, before.get(task.spec.name))
            self.ran += 1
            remaining -= 1
            self._tell(task, remaining)

    def _given_up(self, task: Task) -> bool:
        """Fail a trial without running it, where its arm has only ever been stopped."""
        norm = task.spec.norm
        stopped = sum(f.stopped and f.task.spec.norm == norm for f in self.failures.values())
        if stopped < HOPELESS or any(
            r.spec.norm == norm for r, _ in self.finished.records.values()
        ):
            return False
        reason = f"not run, since every trial of `{norm}` before it was stopped"
        self.failures[task.spec.name] = Failure(task, reason)
        self.reasons[task.spec.name] = reason
        return True

    def _keep(self, task: Task, record: Record, before: Record | None) -> None:
        # On a GPU some operations have no deterministic version: there the new numbers, all of one
        # run, take the place of the old.
        repeats = task.spec.device == "cpu"
        if repeats and before is not None and before.training() != record.training():
            raise StoreError(
                f"a trial run again must give the same training numbers; {task.spec.name} in "
                f"{self.store.trials} does not. Either the folder holds trials of another "
                "machine: choose another folder with --out. Or the network or its augmentation "
                "draws from a generator of its own: let it draw from torch's, numpy.random's or "
                "random's global one, which a study seeds, or seed its own in every call"
            )
        # What could not be measured is tried again by the next run, as a trial that failed is.
        self.store.save(record, tuple(p for p in task.probes if p not in record.unmeasured))
        self.finished.records[task.spec.name] = record, frozenset(task.probes)

    def _tell(self, task: Task, remaining: int) -> None:
        outline = self.outline
        self._spent += self._estimate(task)
        elapsed = time.perf_counter() - self._clock
        total = max(outline.trials, self.done + remaining)
        left = max(self._expected - self._spent, 0.0) * elapsed / self._spent
        self.watch(Event("trial", self.done, total, left))

    def _estimate(self, task: Task) -> float:
        return seconds(task, self.outline.pace, self.outline.plan, self.data)

    def _allowed(self, task: Task) -> float:
        """Seconds after which a trial is stopped: generous, since an estimate is one."""
        outline = self.outline
        if outline.trial_seconds is not None:
            return outline.trial_seconds
        return max(outline.least_seconds, PATIENCE * self._estimate(task))

    def counts(self) -> dict[str, int]:
        """How many trials ran, were reused, diverged or failed."""
        records = [record for record, _ in self.finished.records.values()]
        return {
            "run": self.ran,
            "reused": self.reused,
            "diverged": sum(record.status == "diverged" for record in records),
            "failed": len(self.failures),
        }

    def told_failures(self) -> list[Text]:
        """Which trials failed, or what could not be measured in them, and why."""
        records = [record for record, _ in self.finished.records.values()]
        return failures.told(self.failures.values(), records)


def _merge(wanted: dict[str, Task], tasks: Sequence[Task]) -> None:
    """Equal trials are one: it runs once, with the probes of all who asked."""
    for task in tasks:
        known = wanted.get(task.spec.name)
        probes = {*task.probes, *(known.probes if known else ())}
        wanted[task.spec.name] = Task(task.spec, tuple(sorted(probes)))
