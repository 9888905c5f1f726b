"""What a claim is given to judge by: the plan, the tuned recipe, and the trials it asks for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, TypeVar

from normkit.study.engine import Task
from normkit.study.plan import Plan
from normkit.study.record import Record
from normkit.study.spec import TrialSpec
from normkit.study.tuning import Recipe, tune


class NeedTrials(Exception):  # noqa: N818 - a request, not an error
    """Raised by a claim's judge when it asks for trials that have not run yet."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        super().__init__(f"{len(tasks)} trials have not run yet")
        self.tasks = tuple(tasks)


T = TypeVar("T")
U = TypeVar("U")


def together(parts: Sequence[Callable[[], T]]) -> list[T]:
    """What every part of a judge returns; what any of them asks for is asked for in one request.

    Raises:
        NeedTrials: a part asks for trials that have not run yet.
    """
    answers: list[T] = []
    tasks: list[Task] = []
    for part in parts:
        try:
            answers.append(part())
        except NeedTrials as need:
            tasks.extend(need.tasks)
    if tasks:
        raise NeedTrials(tasks)
    return answers


Runs = Mapping[str, Mapping[int, Record]]
"""Finished trials by norm and seed."""


def differences(
    runs: Runs, norm: str, seeds: Iterable[int], value: Callable[[Record], float]
) -> list[float]:
    """A quantity of the norm's trials minus that of "none", for each seed; NaN without a partner.

    Args:
        runs: finished trials by norm and seed.
        norm: the norm.
        seeds: those to pair.
        value: the quantity, NaN where it could not be measured.
    """
    return [
        value(runs[norm][s]) - value(runs["none"][s])
        if s in runs[norm] and s in runs["none"]
        else math.nan
        for s in seeds
    ]


def both(one: Callable[[], T], other: Callable[[], U]) -> tuple[T, U]:
    """What two parts of a judge return; what either asks for is asked for in one request.

    Raises:
        NeedTrials: a part asks for trials that have not run yet.
    """
    together([one, other])
    return one(), other()


class Source(Protocol):
    """Where finished trials come from: a study's folder, or a simulation."""

    def find(self, task: Task) -> Record | NeedTrials | None:
        """The record; None if the trial failed; a request if it has not run."""


@dataclass
class FinishedTrials:
    """The trials of a study that have run so far."""

    records: dict[str, tuple[Record, frozenset[str]]] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)

    def find(self, task: Task) -> Record | NeedTrials | None:
        """See :class:`Source`."""
        name = task.spec.name
        if name in self.records:
            record, probed = self.records[name]
            if probed >= set(task.probes):
                return record
        return None if name in self.failures else NeedTrials([task])


@dataclass
class Context:
    """Handed to every claim's judge.

    A judge is written as if all trials were there: it asks for them with :meth:`need`, which
    raises :class:`NeedTrials` until they are. The study then runs them and judges again.
    """

    plan: Plan
    source: Source

    def need(self, specs: Iterable[TrialSpec], probes: tuple[str, ...] = ()) -> list[Record | None]:
        """The records of these trials, in order; None for a trial that failed."""
        found: list[Record | None] = []
        missing: list[Task] = []
        for spec in specs:
            answer = self.source.find(Task(spec, probes))
            if isinstance(answer, NeedTrials):
                missing.extend(answer.tasks)
            else:
                found.append(answer)
        if missing:
            raise NeedTrials(missing)
        return found

    @cached_property
    def recipe(self) -> Recipe:
        """The base recipe, in which the network without norm trains, and each norm's best rate."""
        return tune(self.plan, self.need)

    def base(self, norm: str, seed: int, rate: float | None = None) -> TrialSpec:
        """A judged trial of the base recipe, at the norm's best rate unless told otherwise."""
        recipe = self.recipe
        return self.plan.trial(norm, seed, recipe.rates[norm] if rate is None else rate).but(
            init=recipe.init, depth=recipe.depth, test="end"
        )

    def base_runs(
        self, norms: Iterable[str], probes: tuple[str, ...] = (), rate: float | None = None
    ) -> dict[str, dict[int, Record]]:
        """The judged trials of the base recipe by norm and seed, failed ones left out.

        Args:
            norms: the arms.
            probes: what the trials are to measure along the way.
            rate: one for all arms; each at its own best rate unless given.
        """
        trials = {n: {s: self.base(n, s, rate) for s in self.plan.seeds_of(n)} for n in norms}
        # In one request, so that the workers are not idle between arms.
        self.need((spec for by_seed in trials.values() for spec in by_seed.values()), probes)
        return {norm: self.by_seed(by_seed, probes) for norm, by_seed in trials.items()}

    def by_seed(
        self, trials: Mapping[int, TrialSpec], probes: tuple[str, ...] = ()
    ) -> dict[int, Record]:
        """Records by seed, failed ones left out."""
        records = self.need(trials.values(), probes)
        return {seed: r for seed, r in zip(trials, records, strict=True) if r is not None}
