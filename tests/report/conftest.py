"""One example, read once; the pages made from it, made once; a browser to open them in."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.report.example import results

from normkit.report import html
from normkit.report.results import read
from normkit.report.schema import Results

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


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


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(params=["en", "zh"])
def lang(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[1280, 375])
def width(request: pytest.FixtureRequest) -> int:
    """A desk's screen and a phone's."""
    return int(request.param)


@pytest.fixture
def open_page(browser: Browser, width: int) -> Iterator[Callable[[Path], Page]]:
    """Opens a file with scripts on, so that it can be measured; a complaint fails the test."""
    context = browser.new_context(viewport={"width": width, "height": 800})
    complaints: list[str] = []
    asked: list[str] = []

    def opened(file: Path) -> Page:
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(file.as_uri())
        return page

    yield opened
    assert complaints == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    context.close()
