"""The table of choices says what its numbers rest on."""

from __future__ import annotations

import pytest

from normkit.study.choices import compare
from normkit.study.context import Context
from normkit.study.plan import Plan
from normkit.study.simulation import SimulatedTrials


class EverBetter(SimulatedTrials):
    """Batch norm's validation error falls with the rate, as far as anyone looks."""

    def _train(self, task):  # type: ignore[no-untyped-def]
        record = super()._train(task)
        if task.spec.norm == "batch" and record.final:
            record.final["validation_error"] = 1 / (1 + task.spec.rate)
            record.final["train_accuracy"] = 0.97
        return record


@pytest.mark.parametrize(("source", "told"), [(SimulatedTrials, False), (EverBetter, True)])
def test_a_best_rate_at_the_edge_of_what_was_tried_is_told(
    full_plan: Plan, source: type[SimulatedTrials], told: bool
) -> None:
    note = compare(Context(full_plan, source()))["note"]
    assert ("For `batch` the best rate lies at the edge of those tried" in note["en"]) is told
    assert ("`batch` 的最佳学习率位于所试范围的边缘" in note["zh"]) is told


def test_columns_tell_what_their_numbers_stand_on(full_plan: Plan) -> None:
    columns = compare(Context(full_plan, SimulatedTrials()))["columns"]
    assert {column["id"]: column["depends"] for column in columns if column["depends"]} == {
        "steps": ["target"],
        "seconds": ["target", "machine"],
        "seconds_per_step": ["machine"],
    }
