"""A penalty that only harms is not taken, so that its harm counts as no help."""

from __future__ import annotations

from dataclasses import replace

import pytest

from normkit.study.claims.overfitting import reliance
from normkit.study.claims.overfitting.reduced import search_rates
from normkit.study.context import Context
from normkit.study.plan import Plan
from normkit.study.simulation import SimulatedTrials, Truth


class Harmful(SimulatedTrials):
    """Every penalty costs ten points of error, with a norm and without."""

    def _train(self, task):  # type: ignore[no-untyped-def]
        record = super()._train(task)
        if record.final and (task.spec.dropout or task.spec.l1 or task.spec.l2):
            for name in ("validation_error", "test_error"):
                record.final[name] += 0.1
        return record


@pytest.mark.parametrize("source", [Harmful, SimulatedTrials])
def test_the_strength_is_the_best_in_validation_none_included(
    full_plan: Plan, source: type[SimulatedTrials]
) -> None:
    plan = replace(full_plan, norms=("none", "batch"))
    context = Context(plan, source(Truth(default_trains=True, noise=0.0)))
    rates = {norm: found.rate for norm, found in search_rates(context, plan.norms).items()}
    [verdict], [figure] = reliance.judge(context, rates, None)
    helped = {row["helped"] for row in figure["rows"]}
    if source is Harmful:
        assert helped == {0.0}
        # Two zeros differ by nothing, which tells nothing.
        assert verdict.effect.value == 0.0
        assert verdict.outcome == "inconclusive"
    else:
        assert all(value > 0 for value in helped)
