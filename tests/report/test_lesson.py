"""The lesson on the page: numbers in formulas and tables, pictures, and words beside them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.report.example_lesson import PIXEL, lesson

from normkit.report import html
from normkit.report.lesson import filled, tabled, view
from normkit.report.words import Words


def table(rows: list[list[float | None]], *norms: str | None, images: bool = True) -> Any:
    label = {"en": "", "zh": ""}
    return tabled(
        {
            "caption": label,
            "head": label,
            "columns": [{"label": label, "norm": norm} for norm in norms],
            "rows": [
                {"label": label, "image": i if images else None, "cells": cells, "marked": None}
                for i, cells in enumerate(rows)
            ],
        }
    )


def cells(shown: Any) -> list[list[str]]:
    return [texts for _, texts in shown.rows]


@pytest.mark.parametrize(
    ("form", "values", "expected"),
    [
        ("μ = {sum} / {count}", {"sum": -312.44, "count": 512}, "μ = −312.4 / 512"),
        ("{x} − {m()}", {"x": -1.0, "m": -0.5}, "−1 − (−0.5)"),
        ("{x} − {m()}", {"x": 1.0, "m": 0.5}, "1 − 0.5"),
        ("{d}", {"d": 2.925e-10}, "2.925×10⁻¹⁰"),
        ("h = γ · ∂L/∂y", {}, "h = γ · ∂L/∂y"),
        ("{x.__class__} {x}", {"x": 1.0}, "{x.__class__} 1"),
    ],
)
def test_numbers_stand_where_a_formula_has_their_names(
    form: str, values: dict[str, float], expected: str
) -> None:
    assert filled({"form": form, "values": values}) == expected


def test_values_of_one_kind_share_their_decimals() -> None:
    shown = table([[-1.016, 11.5], [0.25, None]], None, None)
    assert cells(shown) == [["−1.0", "11.5"], ["0.2", "–"]]
    assert shown.unit == ""


@pytest.mark.parametrize(("scale", "unit"), [(1e-4, "10⁻⁴"), (1e6, "10⁶"), (1.0, "")])
def test_small_and_large_values_are_told_in_a_power_of_ten(scale: float, unit: str) -> None:
    shown = table([[-1.1 * scale, 4.88 * scale]], None, None)
    assert (shown.unit, cells(shown)) == (unit, [["−1.10", "4.88"]])


def test_columns_of_norms_have_decimals_of_their_own_and_a_common_head() -> None:
    shown = table([[-2.0796, 10.5], [0.1, 9.12]], "batch", "batch")
    assert cells(shown) == [["−2.08", "10.5"], ["0.10", "9.1"]]
    assert shown.norms == [("batch", 2)]


def test_a_small_value_is_zero_without_a_sign() -> None:
    assert cells(table([[-0.001, -1.5]], None, None)) == [["0.00", "−1.50"]]


def test_what_is_mere_rounding_does_not_set_the_decimals() -> None:
    shown = table([[5.2e-18], [-0.829]], None, images=False)
    assert cells(shown) == [["5.2×10⁻¹⁸"], ["−0.829"]]
    assert shown.norms == []


@pytest.fixture(params=["en", "zh"])
def text(request: pytest.FixtureRequest, page: Callable[[str], str]) -> str:
    whole = page(request.param)
    return whole[whole.index('<section id="lesson"') : whole.index('<section class="claim"')]


def test_it_stands_between_the_choices_and_the_claims_and_is_in_the_contents(
    page: Callable[[str], str],
) -> None:
    places = [
        page("en").index(part)
        for part in ('id="choices"', 'href="#lesson"', 'id="lesson"', 'id="claim-')
    ]
    assert places == sorted(places)


def test_its_steps_come_in_order(text: str) -> None:
    steps = [step["id"] for step in lesson()["steps"]]
    assert re.findall(r'class="lesson-step" id="lesson-([\w-]+)"', text) == [*steps, "terms"]


def test_its_formulas_have_their_numbers(text: str) -> None:
    assert "x̂ = (x − μ) / √(σ² + ε) = (2.632 − (−2.08)) / 2.093 = 2.251" in text


def test_every_image_has_words_for_those_who_do_not_see_it(text: str) -> None:
    images = re.findall(r"<img [^>]*>", text)
    assert len(images) >= 6
    assert all(f"base64,{PIXEL}" in image for image in images)
    assert all(re.search(r'alt="(image|图像) \d, ?|alt="图像 \d，', image) for image in images)


def test_the_followed_value_is_marked(text: str) -> None:
    assert len(re.findall(r"<mark[^>]*>", text)) == 1


def test_a_table_of_small_values_names_its_unit(text: str) -> None:
    assert "10⁻⁵" in text


def test_papers_are_linked(text: str) -> None:
    assert 'href="https://arxiv.org/abs/1502.03167"' in text


def test_there_is_a_picture_for_each_method(text: str) -> None:
    assert text.count('class="plot maps-plot"') == 4


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_page_without_a_lesson_does_not_mention_it(short: dict[str, Any], lang: str) -> None:
    del short["lesson"]
    page = html(short, lang)
    assert "#lesson" not in re.sub(r"<style>.*?</style>", "", page, flags=re.S)
    assert Words(lang)("lesson_title") not in page


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_lesson_that_can_only_say_why_not_says_so(short: dict[str, Any], lang: str) -> None:
    said = {"en": "No norm follows a convolution.", "zh": "没有接在卷积之后的归一化层。"}
    short["lesson"] = {"lead": [said], "images": [], "steps": [], "terms": []}
    page = html(short, lang)
    assert said[lang] in page
    assert "<img" not in page


def test_each_language_has_pictures_of_its_own_name() -> None:
    [english, chinese] = [view(lesson(), Words(lang)).steps[1].maps[0] for lang in ("en", "zh")]
    assert "Which values share a mean: batch" in english
    assert "哪些数值共用均值：batch" in chinese
