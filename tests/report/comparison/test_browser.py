"""The page of a comparison as a browser shows it, wide and narrow, in both languages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.report.comparison.example import first, second, third

from normkit.report.comparison import compare, write

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

FILES = {"en": "comparison.html", "zh": "comparison.zh.html"}
LONG = "runs/a-name-of-a-study-that-is-longer-than-a-phone-is-wide-and-has-no-space-in-it"


@pytest.fixture(scope="module", params=[2, 3, 7])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Comparisons of few studies and of many."""
    studies = {"first": first(), LONG: second(), "third": third()}
    studies |= {f"more-{i}": second() for i in range(4)}
    chosen = dict(list(studies.items())[: request.param])
    folder = tmp_path_factory.mktemp("comparison")
    write(compare(chosen), folder)
    return folder


@pytest.fixture
def page(open_page: Callable[[Path], Page], folder: Path, lang: str) -> Page:
    return open_page(folder / FILES[lang])


def test_nothing_is_wider_than_the_screen(page: Page, width: int) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_words_do_not_leave_their_cells(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    spilled = page.eval_on_selector_all(
        ".cards td, .cards th, .key li, .cautions li, dd, .study-notes li, caption, h1",
        """all => all.filter(e => e.offsetParent && e.scrollWidth > e.clientWidth + 1
            && e.offsetWidth > 30 && !(e.closest('thead')?.offsetWidth < 30)
        ).map(e => e.textContent.trim())""",
    )
    assert spilled == []


def test_every_study_is_seen_in_a_row(page: Page) -> None:
    counts = page.eval_on_selector_all(
        "#verdicts tbody tr",
        "rows => rows.map(r => [...r.querySelectorAll('td')]"
        ".filter(c => c.getBoundingClientRect().height > 20).length)",
    )
    studies = page.locator("#differences thead th").count() - 1
    assert set(counts) == {studies}


def test_the_other_language_is_a_click_away(page: Page, lang: str) -> None:
    page.click(".languages a")
    assert page.get_attribute("html", "lang") == {"en": "zh-Hans", "zh": "en"}[lang]


def test_a_contradiction_leads_to_its_verdict(page: Page) -> None:
    page.click(".contradict a")
    assert page.url.endswith("#v-convergence-steps-batch")
    assert page.locator(":target .outcome.refuted").first.is_visible()
