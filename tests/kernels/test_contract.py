"""The kernels for GPUs, interpreted, keep the contract: what they compute, in every layout."""

from __future__ import annotations

import pytest
from tests.kernels.interpreter import OFF

from normkit.testing import Case, cases, problems

METHODS = ("batch", "frozen_batch", "layer", "group", "instance", "channel_layer", "rms")
ITEMS = ["values", "half", "layout", "statistics", "endings", "compiled"]


@OFF
@pytest.mark.parametrize("case", cases(*problems(*METHODS), items=ITEMS), ids=str)
def test_it_holds(case: Case) -> None:
    case.check()
