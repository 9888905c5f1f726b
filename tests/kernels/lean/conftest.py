"""Both ways of a call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import pytest

import normkit as nk


@pytest.fixture(params=["kernels", "formulas"])
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """Both ways of a call, the kernels and the plain formulas."""
    with nk.kernels.disabled() if request.param == "formulas" else nullcontext():
        yield request.param
