"""One example, read once; the pages made from it, made once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.report.example import results

from normkit.report import html
from normkit.report.results import read
from normkit.report.schema import Results


@pytest.fixture
def document() -> dict[str, Any]:
    """A document of one's own, to change."""
    return results()


@pytest.fixture
def short(document: dict[str, Any]) -> dict[str, Any]:
    """The example with one small figure: quick to draw, for tests of all that is not a figure."""
    del document["lesson"]["steps"][1:]
    document["lesson"]["steps"][0]["figures"] = []
    for claim in document["claims"]:
        claim["figures"] = [figure for figure in claim["figures"] if figure["id"] == "steps"]
    return document


@pytest.fixture(scope="session")
def checked() -> Results:
    """The example as the report reads it; not to be changed."""
    return read(results())


@pytest.fixture(scope="session")
def page() -> Callable[[str], str]:
    """Language → the example's page."""
    pages = {lang: html(results(), lang) for lang in ("en", "zh")}
    return pages.__getitem__
