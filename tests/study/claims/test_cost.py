"""What a step costs is timed for the arms that run, whatever becomes of the others."""

from __future__ import annotations

from dataclasses import dataclass, field

from normkit.study.claims.cost import CLAIM, cost_trials
from normkit.study.context import Context, NeedTrials
from normkit.study.engine import Task
from normkit.study.plan import Plan
from normkit.study.record import Record
from normkit.study.simulation import SimulatedTrials


@dataclass
class WithoutAnArm:
    """Simulated trials, those of one arm failed."""

    norm: str
    others: SimulatedTrials = field(default_factory=SimulatedTrials)

    def find(self, task: Task) -> Record | NeedTrials | None:
        """See :class:`normkit.study.context.Source`."""
        failed = task.spec.norm == self.norm and task.spec.kind == "train"
        return None if failed else self.others.find(task)


def test_all_arms_are_timed_in_turns(full_plan: Plan) -> None:
    trials = cost_trials(Context(full_plan, SimulatedTrials()))
    assert {trial.arms for trial in trials} == {full_plan.norms}


def test_an_arm_that_never_ran_is_not_timed(full_plan: Plan) -> None:
    context = Context(full_plan, WithoutAnArm("group"))
    assert {trial.arms for trial in cost_trials(context)} == {("none", "batch")}
    verdicts = {v.norm: v for v in CLAIM.judge(context).verdicts if v.id == "seconds"}
    assert verdicts["batch"].outcome == "refuted"
    assert verdicts["group"].outcome == "inconclusive"


def test_without_a_comparator_nothing_is_decided(full_plan: Plan) -> None:
    verdicts = CLAIM.judge(Context(full_plan, WithoutAnArm("none"))).verdicts
    assert {verdict.outcome for verdict in verdicts} == {"inconclusive"}
