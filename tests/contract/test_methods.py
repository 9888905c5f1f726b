"""Every layer of the catalogue keeps every item of the contract, or states why it cannot."""

from __future__ import annotations

import pytest
import torch

import normkit as nk
from normkit import kernels
from normkit.testing import Case, cases, contract, problems

# Of these a user is promised everything there is to promise.
ABSENT = {
    "batch": {},
    "layer": {"statistics": "keeps no running statistics"},
    "group": {"statistics": "keeps no running statistics"},
    "instance": {"statistics": "keeps no running statistics"},
    "channel_layer": {
        "statistics": "keeps no running statistics",
        "masked": "no statistic mixes samples or positions",
    },
    "rms": {
        "statistics": "keeps no running statistics",
        "masked": "no statistic mixes samples or positions",
    },
}
"""Common method → what there is nothing of in it."""

# Of these a kernel takes the norm; a method that builds upon them runs the same formulas.
FAST = ("batch", "layer", "group", "instance", "channel_layer", "rms")

# For these items the formula runs anyway, or none does.
ANYWAY = {"transforms", "masked", "empty", "meta", "onnx", "refusals", "pickled"}


@pytest.mark.parametrize("case", cases(*problems()), ids=str)
def test_it_holds(case: Case) -> None:
    case.check()


@pytest.mark.skipif(kernels.MISSING is not None, reason=f"so it was above: {kernels.MISSING}")
@pytest.mark.parametrize(
    "case",
    cases(*problems(*FAST), items=[item for item in contract() if item not in ANYWAY]),
    ids=str,
)
def test_it_holds_where_kernels_are_switched_off(case: Case) -> None:
    with kernels.disabled():
        case.check()


@pytest.mark.skipif(kernels.MISSING is not None, reason=str(kernels.MISSING))
@pytest.mark.parametrize("name", FAST)
def test_otherwise_a_kernel_takes_them(name: str) -> None:
    for problem in problems(name):
        for training in (True, False):
            layer = problem.layer_in_use().train(training)
            assert nk.explain(layer, problem.sample(torch.float32)).is_fast


@pytest.mark.parametrize("name", ABSENT)
def test_the_common_methods_claim_no_exemption(name: str) -> None:
    for problem in problems(name):
        assert not problem.partly
        for item in contract().values():
            reason = Case(problem, item).reason
            if reason is not None and not (item.name == "layout" and len(problem.shape) == 2):
                assert ABSENT[name][item.name] == reason


def test_instance_norm_is_tried_with_running_statistics_too() -> None:
    tried = cases(*problems("instance"), items=["statistics"])
    assert [str(case) for case in tried] == [
        f"instance-{dims}-tracking-statistics" for dims in ("1d", "2d", "3d")
    ]


@pytest.mark.parametrize("name", nk.catalogue())
def test_every_number_of_dims_has_a_problem(name: str) -> None:
    shapes = {len(problem.shape) - 2 for problem in problems(name)}
    assert {1, 2, 3} <= shapes


@pytest.mark.parametrize("item", contract())
def test_every_item_is_tried_on_batch_normalization(item: str) -> None:
    assert cases(*problems("batch"), items=[item])


def test_what_is_not_tried_is_told_by_the_problem_alone() -> None:
    reasons = {
        Case(problem, item).reason
        for problem in problems()
        for item in contract().values()
        if item.name not in problem.not_applicable
    }
    assert reasons == {
        None,
        "has no positions",
        "keeps no running statistics",
        "takes no statistic of its input",
    }
