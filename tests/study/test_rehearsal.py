"""What a plan will cost is known before it runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from normkit.study.engine import Failure, Task, WorkerError
from normkit.study.optimizer import OPTIMIZERS
from normkit.study.plan import Plan
from normkit.study.record import Record
from normkit.study.rehearsal import estimate, measure_pace, rehearse


def test_a_rehearsal_names_about_as_many_trials_as_the_study_runs(
    finished: Any, here: type
) -> None:
    plan = finished.study.outline(finished.study.prepare()).plan
    tasks = rehearse(plan)
    assert len({task.spec.name for task in tasks}) == len(tasks)
    # What is more is a widened grid of rates, at one seed of each norm.
    assert len(tasks) <= len(finished.files) <= 2 * len(tasks)
    assert {task.spec.kind for task in tasks} == {"train", "cost"}
    assert {task.probes for task in tasks} == {
        (),
        ("distributions", "lesson", "standardise"),
        ("standardise",),
    }


def test_more_seeds_cost_more_and_more_workers_less(finished: Any, here: type) -> None:
    data = finished.study.prepare()
    plan = finished.study.outline(data).plan
    pace = {"none": (0.01, 0.001), "batch": (0.02, 0.001)}
    cost = estimate(plan, pace, data, workers=1)
    more = dataclasses.replace(plan, seeds=(*plan.seeds, 100, 101, 102))
    assert estimate(more, pace, data, workers=1) > cost
    assert cost / 2 < estimate(plan, pace, data, workers=2) < cost


def test_every_optimizer_is_rehearsed_at_rates_of_its_own(full_plan: Plan) -> None:
    steps = dataclasses.replace(full_plan, claims=("convergence",))
    prototype = steps.prototype.but(optimizer="adamw")
    adamw = dataclasses.replace(steps, prototype=prototype, rates=OPTIMIZERS["adamw"])
    # As many: the best rates lie inside the grid of either, so that none has to be widened.
    assert len(rehearse(adamw)) == len(rehearse(steps))


class Paced:
    """An engine whose steps take 1 and 3 seconds by turns, and fail for some norms."""

    def __init__(self, *failing: str) -> None:
        self.failing = failing

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Record | Failure]]:
        for i, task in enumerate(tasks):
            times = {"step": (1.0, 3.0)[i % 2], "image": (0.1, 0.5)[i % 2]}
            record = Record(task.spec, "ok", [], {}, {}, times)
            failed = task.spec.norm in self.failing
            yield task, Failure(task, "no luck") if failed else record


@pytest.fixture
def plan(finished: Any, here: type) -> Plan:
    return finished.study.outline(finished.study.prepare()).plan


def test_the_pace_is_what_all_workers_take_on_average(plan: Plan) -> None:
    assert measure_pace(plan, Paced(), workers=2) == dict.fromkeys(plan.norms, (2.0, 0.3))


def test_a_norm_that_cannot_take_a_step_counts_as_the_slowest(plan: Plan) -> None:
    pace = measure_pace(plan, Paced("batch"), workers=2)
    assert pace["batch"] == pace["none"] == (2.0, 0.3)


def test_where_none_can_take_a_step_the_reason_is_told(plan: Plan) -> None:
    with pytest.raises(WorkerError, match="no luck"):
        measure_pace(plan, Paced("none", "batch"), workers=1)
