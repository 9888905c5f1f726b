"""Batch norm is refuted to decorrelate, as the identity has it, in a study of real trials."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from normkit.data import Dataset
from normkit.study import train
from normkit.study.claims.decorrelation import CLAIM, _change
from normkit.study.context import Context, NeedTrials
from normkit.study.engine import Task
from normkit.study.plan import Plan
from normkit.study.record import Record


class Trained:
    """A source that trains what is asked for, here and now."""

    def __init__(self, data: Dataset) -> None:
        self.data, self.kept = data, dict[Task, Record]()

    def find(self, task: Task) -> Record | NeedTrials | None:
        if task not in self.kept:
            self.kept[task] = train.run(task.spec, task.probes, self.data)
        return self.kept[task]


@pytest.fixture(scope="module")
def context(digits: Dataset, trial, full_plan: Plan) -> Context:
    plan = replace(
        full_plan,
        prototype=trial(norm="none", rate=0.0, width=8),
        seeds=(0, 1),
        exploratory_seeds=(0, 1),
        tuning_seeds=(500,),
        exploratory_tuning_seeds=(500,),
        rates=(0.1,),
    )
    return Context(plan, Trained(digits))


def test_the_layer_itself_leaves_correlations_as_they_are(context: Context) -> None:
    finding = CLAIM.judge(context)
    verdict = next(v for v in finding.verdicts if v.id == "layer" and v.norm == "batch")
    assert verdict.outcome == "refuted"
    assert abs(verdict.effect.value) < 1e-6
    assert "no coefficient changed by more than" in verdict.note["en"]


def test_a_trial_that_diverged_at_once_has_nothing_to_measure(trial) -> None:
    record = Record(trial(), "diverged", [], {}, {"decorrelation": {}})
    assert math.isnan(_change(record))
