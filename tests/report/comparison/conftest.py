"""The example's comparison, made once."""

from __future__ import annotations

import pytest
from tests.report.comparison.example import first, second, third

from normkit.report.comparison import compare
from normkit.report.comparison.schema import Comparison


@pytest.fixture(scope="session")
def pair() -> Comparison:
    """Two studies of the same data, with other seeds; not to be changed."""
    return compare({"first": first(), "second": second()})


@pytest.fixture(scope="session")
def three() -> Comparison:
    """The same two, and one of other data; not to be changed."""
    return compare({"first": first(), "second": second(), "third": third()})
