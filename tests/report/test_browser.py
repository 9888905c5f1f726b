"""The page as a browser shows it, wide and narrow, in both languages, with scripts off and on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.report.example import results

from normkit.report import write

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

# Those of the claims, those of the lesson, and its maps.
FIGURES = 8 + 3 + 1
FILES = {"en": "report.html", "zh": "report.zh.html"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    write(results(), folder, lang="both")
    return folder


@pytest.fixture
def page(open_page: Callable[[Path], Page], folder: Path, lang: str) -> Page:
    return open_page(folder / FILES[lang])


def test_nothing_is_wider_than_the_screen(page: Page, width: int) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_tables_and_figures_are_seen(page: Page) -> None:
    for selector in ("table.verdicts", "table.choices", "table.full", "figure", "svg.plot"):
        sizes = page.eval_on_selector_all(
            selector, "all => all.map(e => e.getBoundingClientRect()).map(b => [b.width, b.height])"
        )
        assert sizes
        assert all(w > 100 and h > 60 for w, h in sizes), selector


def test_words_do_not_leave_their_cells(page: Page) -> None:
    spilled = page.eval_on_selector_all(
        ".cards td, .cards th, .key li, .legend li, figcaption, dd",
        "all => all.filter(e => e.offsetParent && e.scrollWidth > e.clientWidth + 1)"
        ".map(e => e.textContent.trim())",
    )
    assert spilled == []


def test_the_words_of_a_figure_lie_inside_it(page: Page) -> None:
    outside = page.eval_on_selector_all(
        "svg.plot text",
        """all => all.filter(e => {
            const t = e.getBoundingClientRect();
            const f = e.closest('figure').getBoundingClientRect();
            return t.left < f.left || t.right > f.right || t.top < f.top || t.bottom > f.bottom;
        }).map(e => e.textContent)""",
    )
    assert outside == []


def test_the_words_of_a_figure_can_be_read(page: Page) -> None:
    heights = page.eval_on_selector_all(
        "svg.plot text",
        """all => all.map(e => {
            const m = e.getScreenCTM();
            return Math.hypot(m.a, m.b) * parseFloat(getComputedStyle(e).fontSize);
        })""",
    )
    assert min(heights) >= 9


def test_series_take_their_colours_from_the_page(page: Page) -> None:
    strokes = page.eval_on_selector_all(
        "svg.plot path[style*='--norm-batch']", "all => all.map(e => getComputedStyle(e).stroke)"
    )
    assert "rgb(11, 102, 178)" in strokes


def test_the_other_language_is_a_click_away(page: Page, lang: str) -> None:
    page.click(".languages a")
    other = {"en": "zh-Hans", "zh": "en"}[lang]
    assert page.get_attribute("html", "lang") == other


def test_it_reads_with_scripts_off(browser: Browser, folder: Path, lang: str, width: int) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 800}, java_script_enabled=False
    )
    page = context.new_page()
    page.goto((folder / FILES[lang]).as_uri())
    for selector, count in (("table.verdicts", 1), ("table.choices", 1), ("figure", FIGURES)):
        found = page.locator(selector)
        assert found.count() == count
        box: Any = found.last.bounding_box()
        assert box["width"] > 100
        assert box["x"] + box["width"] <= width
    summary = page.locator("details summary").first
    summary.click()
    assert page.locator("details .data").first.is_visible()
    context.close()


def test_the_dark_scheme_is_dark(browser: Browser, folder: Path) -> None:
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto((folder / "report.html").as_uri())
    colours = (
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    background, ink = page.evaluate(colours)
    assert sum(map(int, background[4:-1].split(","))) < 150
    assert sum(map(int, ink[4:-1].split(","))) > 600
    context.close()
