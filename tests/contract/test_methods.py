"""Every layer of the catalogue keeps every item of the contract, or states why it cannot."""

from __future__ import annotations

import pytest

import normkit as nk
from normkit.testing import Case, cases, contract, problems

# What a user is promised of these holds without exception.
UNCONDITIONAL = ["batch", "layer", "channel_layer", "instance", "group", "rms"]


@pytest.mark.parametrize("case", cases(*problems()), ids=str)
def test_it_holds(case: Case) -> None:
    case.check()


@pytest.mark.parametrize("name", UNCONDITIONAL)
def test_the_common_methods_claim_no_exemption(name: str) -> None:
    for problem in problems(name):
        assert not problem.not_applicable, problem.id


@pytest.mark.parametrize("name", nk.catalogue())
def test_every_number_of_dims_has_a_problem(name: str) -> None:
    shapes = {len(problem.shape) - 2 for problem in problems(name)}
    assert {1, 2, 3} <= shapes


@pytest.mark.parametrize("item", contract())
def test_every_item_applies_to_some_method(item: str) -> None:
    assert any(case.reason is None for case in cases(*problems("batch"), items=[item]))
