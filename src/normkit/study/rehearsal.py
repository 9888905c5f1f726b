"""What a plan will cost: its trials counted on simulated outcomes, its pace measured here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import torch
from torch.nn import functional as F

from normkit.data import Dataset
from normkit.study import choices
from normkit.study.claims import claims
from normkit.study.context import Context
from normkit.study.engine import Task
from normkit.study.plan import Plan
from normkit.study.simulation import SimulatedTrials
from normkit.study.spec import TrialSpec
from normkit.study.train import (
    EVALUATED_IMAGES,
    FOLLOWED_IMAGES,
    Batches,
    build,
    checkpoints,
    measure,
    training_indices,
)

SLOWDOWN = 1.5
"""How much longer a trial takes beside other workers than alone: one default study took 1.49."""

TRIAL_OVERHEAD = 0.03
"""Seconds a trial takes beside its steps."""


def rehearse(plan: Plan) -> list[Task]:
    """The trials that the plan would run if its outcomes were typical."""
    source = SimulatedTrials(classes=plan.classes)
    context = Context(plan, source)
    for name in plan.claims:
        claims()[name].judge(context)
    choices.compare(context)
    return list(source.asked.values())


Pace = Mapping[str, tuple[float, float]]
"""For each norm, the seconds of one training step and of evaluating one image."""


def measure_pace(plan: Plan, data: Dataset, steps: int = 16) -> Pace:
    """Time a few steps of each norm, in this process, with one thread as the workers do."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            return {norm: _pace(plan.trial(norm, 0, 1e-3), data, steps) for norm in plan.norms}
    finally:
        torch.set_num_threads(threads)


def _pace(spec: TrialSpec, data: Dataset, steps: int) -> tuple[float, float]:
    model, batches = build(spec, data), Batches(data, spec.device)
    indices = training_indices(spec, data)
    images, labels = batches.take(indices[: spec.batch])
    evaluated = indices[:EVALUATED_IMAGES]
    optimizer = torch.optim.SGD(model.parameters(), lr=spec.rate, momentum=spec.momentum)

    def train() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    training = [_timed(train) for _ in range(steps)]
    evaluation = [_timed(lambda: measure(model, batches, evaluated)) for _ in range(steps // 4)]
    return _typical(training), _typical(evaluation) / len(evaluated)


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _typical(seconds: list[float]) -> float:
    """The lower quartile: the first ones warm up, and a disturbance only ever adds."""
    return sorted(seconds)[len(seconds) // 4]


def seconds(task: Task, pace: Pace, plan: Plan, data: Dataset) -> float:
    """Estimated seconds of one trial on one worker."""
    spec = task.spec
    if spec.kind == "cost":
        return 0.1 + sum((spec.steps + 4) * pace[norm][0] for norm in spec.arms)
    depth = (spec.depth or 1) / (plan.prototype.depth or spec.depth or 1)
    step, image = (depth * part for part in pace[spec.norm])
    if not spec.steps:
        return TRIAL_OVERHEAD + 3 * step
    points = len(checkpoints(spec.steps, spec.test))
    training = min(EVALUATED_IMAGES, spec.images or len(data.train))
    evaluated = points * training + len(data.validation)
    if spec.test == "curve":
        evaluated += points * min(FOLLOWED_IMAGES, len(data.test))
    if spec.test != "never":
        evaluated += len(data.test)
    probes = 3 * step * len(task.probes)
    return TRIAL_OVERHEAD + spec.steps * step + evaluated * image + probes


def estimate(plan: Plan, pace: Pace, data: Dataset, workers: int) -> float:
    """Estimated seconds of a whole plan on `workers` workers."""
    tasks = rehearse(plan)
    alone = sum(seconds(t, pace, plan, data) for t in tasks if t.spec.kind == "cost")
    shared = sum(seconds(t, pace, plan, data) for t in tasks if t.spec.kind != "cost")
    slowed = SLOWDOWN if workers > 1 else 1.0
    return slowed * shared / workers + alone
