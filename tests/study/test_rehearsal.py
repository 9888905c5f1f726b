"""What a plan will cost is known before it runs."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch

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
    assert {task.probes for task in tasks} == {(), ("standardise",)}


def test_more_seeds_cost_more_and_more_workers_less(finished: Any, here: type) -> None:
    data = finished.study.prepare()
    plan = finished.study.outline(data).plan
    pace = {"none": (0.01, 0.001), "batch": (0.02, 0.001)}
    cost = estimate(plan, pace, data, workers=1)
    more = dataclasses.replace(plan, seeds=(*plan.seeds, 100, 101, 102))
    assert estimate(more, pace, data, workers=1) > cost
    assert cost / 2 < estimate(plan, pace, data, workers=2) < cost


def test_measuring_the_pace_leaves_threads_and_random_state(finished: Any, here: type) -> None:
    data = finished.study.prepare()
    plan = finished.study.outline(data).plan
    torch.set_num_threads(2)
    state = torch.get_rng_state()
    pace = measure_pace(plan, data, steps=4)
    assert torch.get_num_threads() == 2
    assert torch.equal(torch.get_rng_state(), state)
    assert set(pace) == set(plan.norms)
    assert all(second > 0 for times in pace.values() for second in times)
