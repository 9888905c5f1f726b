"""Only the images that statistics are taken over vary; a step's images stay the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from normkit.study.claims.batch_size import CLAIM, norm_batches, sgd_batch
from normkit.study.context import Context
from normkit.study.simulation import SimulatedTrials, Truth


def test_a_step_takes_twice_the_images_in_half_the_steps(full_plan) -> None:
    source = SimulatedTrials(Truth())
    CLAIM.judge(Context(full_plan, source))
    varied = [spec for spec in source.asked if spec.norm_batch is not None]
    assert {(spec.batch, spec.steps) for spec in varied} == {(64, 100)}
    assert {spec.norm_batch for spec in varied if spec.norm == "batch"} == {2, 8, 32}
    # Norms that look at each sample alone are compared at the ends.
    assert {spec.norm_batch for spec in varied if spec.norm == "group"} == {2, 32}


@pytest.mark.parametrize(
    ("batch", "expected"), [(32, (2, 8, 32)), (8, (2, 8)), (5, (2, 10)), (2, (2, 4))]
)
def test_parts_always_make_up_a_whole_step(full_plan, batch, expected) -> None:
    plan = replace(full_plan, prototype=full_plan.prototype.but(batch=batch))
    assert norm_batches(plan) == expected
    assert not any(sgd_batch(plan) % size for size in expected)


def test_the_trials_of_one_norm_share_one_rate(full_plan) -> None:
    source = SimulatedTrials(Truth())
    CLAIM.judge(Context(full_plan, source))
    for norm in ("batch", "group"):
        judged = {s.rate for s in source.asked if s.norm == norm and s.norm_batch and s.seed < 500}
        assert len(judged) == 1
