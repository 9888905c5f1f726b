"""What a plan will cost: its trials counted on simulated outcomes, its pace measured here."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from normkit.data import Dataset
from normkit.study import choices, lesson
from normkit.study.claims import claims
from normkit.study.context import Context
from normkit.study.engine import Engine, Failure, Task, WorkerError
from normkit.study.plan import Plan
from normkit.study.probing import cost
from normkit.study.simulation import SimulatedTrials
from normkit.study.train import EVALUATED_IMAGES, FOLLOWED_IMAGES, checkpoints

TRIAL_OVERHEAD = 0.03
"""Seconds a trial takes beside its steps."""


def rehearse(plan: Plan) -> list[Task]:
    """The trials that the plan would run if its outcomes were typical."""
    source = SimulatedTrials(classes=plan.classes)
    context = Context(plan, source)
    for name in plan.claims:
        claims()[name].judge(context)
    choices.compare(context)
    lesson.ask(context)
    return list(source.asked.values())


Pace = Mapping[str, tuple[float, float]]
"""For each norm, the seconds of one training step and of evaluating one image."""


def measure_pace(plan: Plan, engine: Engine, workers: int, allowed: float | None = None) -> Pace:
    """Time a few steps of each norm on all workers at once, as slow as they make each other.

    Args:
        plan: whose norms to time.
        engine: where they run.
        workers: how many at once.
        allowed: seconds that each may take.

    Raises:
        WorkerError: no norm's network could take a step.
    """
    tasks = {
        norm: Task(plan.prototype.but(kind="pace", norm=norm), seconds=allowed)
        for norm in plan.norms
    }
    times: dict[str, list[tuple[float, float]]] = {norm: [] for norm in plan.norms}
    reasons: list[str] = []
    for task, answer in engine.run([task for task in tasks.values() for _ in range(workers)]):
        if isinstance(answer, Failure):
            reasons.append(answer.reason)
        else:
            times[task.spec.norm].append((answer.times["step"], answer.times["image"]))
    pace = {
        norm: (statistics.fmean(step), statistics.fmean(image))
        for norm, measured in times.items()
        if measured
        for step, image in [tuple(zip(*measured, strict=True))]
    }
    if not pace:
        raise WorkerError(f"a study needs networks that train; the first steps gave: {reasons[0]}")
    # A norm that cannot take a step costs what the slowest does; its trials will tell why.
    return {norm: pace.get(norm, max(pace.values())) for norm in plan.norms}


def seconds(task: Task, pace: Pace, plan: Plan, data: Dataset) -> float:
    """Estimated seconds of one trial on one worker."""
    spec = task.spec
    if spec.kind == "cost":
        return 0.1 + sum((spec.steps + 4) * pace[norm][0] for norm in spec.arms)
    depth = (spec.depth or 1) / (plan.prototype.depth or spec.depth or 1)
    step, image = (depth * part for part in pace[spec.norm])
    probes = step * cost(task.probes, spec)
    if not spec.steps:
        return TRIAL_OVERHEAD + probes
    points = len(checkpoints(spec.steps, spec.test))
    training = min(EVALUATED_IMAGES, spec.images or len(data.train))
    evaluated = points * training + len(data.validation)
    if spec.test == "curve":
        evaluated += points * min(FOLLOWED_IMAGES, len(data.test))
    if spec.test != "never":
        evaluated += len(data.test)
    return TRIAL_OVERHEAD + spec.steps * step + evaluated * image + probes


def estimate(plan: Plan, pace: Pace, data: Dataset, workers: int) -> float:
    """Estimated seconds of a whole plan on `workers` workers."""
    tasks = rehearse(plan)
    alone = sum(seconds(t, pace, plan, data) for t in tasks if t.spec.kind == "cost")
    shared = sum(seconds(t, pace, plan, data) for t in tasks if t.spec.kind != "cost")
    return shared / workers + alone
