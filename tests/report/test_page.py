"""The page: whole, self-contained, safe, and the same every time."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from tests.report.example import LONG, SCRIPT

from normkit.report import ResultsError, csv_files, html
from normkit.report import page as page_file

VOID = {"meta", "link", "br", "img", "input", "hr", "wbr"}
Page = Callable[[str], str]


class Outline(HTMLParser):
    """Elements as they open and close; an element closed out of turn is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice: {names}"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(params=["en", "zh"])
def text(request: pytest.FixtureRequest, page: Page) -> str:
    return page(request.param)


@pytest.fixture
def outline(text: str) -> Outline:
    return Outline(text)


def test_advice_is_given_before_the_claims_one_sentence_or_a_list(page: Page) -> None:
    text = page("en")
    section = text[text.index('id="advice"') : text.index('class="contents"')]
    assert "<dt>Which norm</dt>" in section
    assert (
        "<dd><code>batch</code>: its error on the test images is 1.7 % [1.4, 2.0].</dd>" in section
    )
    assert section.count("<li>") == 2
    assert "&lt;b&gt;five&lt;/b&gt;" in section


def test_a_document_without_advice_has_no_section_of_it(document: dict[str, Any]) -> None:
    del document["advice"]
    assert 'id="advice"' not in html(document)


def test_names_of_norms_are_set_as_code_everywhere(text: str) -> None:
    assert "<code>batch</code>" in text
    assert "`" not in text


def test_every_element_is_closed_in_turn(outline: Outline) -> None:
    assert outline.open == []


def test_ids_are_unique_and_links_lead_somewhere(outline: Outline) -> None:
    ids = [attributes["id"] for _, attributes in outline.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {str(attributes.get("href")) for _, attributes in outline.elements}
    inner = {target[1:] for target in targets if target.startswith("#")}
    assert inner <= set(ids)
    assert "claim-convergence" in inner


def test_clips_and_labels_within_figures_lead_somewhere(text: str, outline: Outline) -> None:
    ids = {attributes["id"] for _, attributes in outline.elements if "id" in attributes}
    assert set(re.findall(r"url\(#([^)]+)\)", text)) <= ids
    labels = {attributes.get("aria-labelledby") for _, attributes in outline.elements} - {None}
    assert labels <= ids


def test_nothing_is_fetched_and_nothing_runs(text: str, outline: Outline) -> None:
    # Papers are linked, which fetches nothing until the reader asks for it.
    without_papers = re.sub(r"<a href=\"https://[^>]*>[^<]*</a>", "", text)
    assert not re.search(r"(?:https?:)?//\w", re.sub(r"base64,[\w+/=]+", "", without_papers))
    assert "@import" not in text
    assert outline.all("script") == []
    assert all(str(image["src"]).startswith("data:image/png;") for image in outline.all("img"))
    for _, attributes in outline.elements:
        assert not any(name.startswith("on") for name in attributes)
        assert str(attributes.get("href", "#")).startswith(("#", "data:", "https://arxiv.org/"))
    policies = [m["content"] for m in outline.all("meta") if m.get("http-equiv")]
    assert policies[0] is not None
    assert policies[0].startswith("default-src 'none'")


def test_a_name_cannot_become_markup(text: str) -> None:
    assert SCRIPT not in text
    assert "&lt;script&gt;alert(&#34;digits&#34;)&lt;/script&gt;" in text
    assert LONG in text


def test_every_text_of_a_document_is_escaped(short: dict[str, Any]) -> None:
    hostile = '"><script>x</script><b a="'
    marked = _replace_texts(short, hostile)
    assert "<script>" not in html(marked)


def _replace_texts(value: Any, hostile: str) -> Any:
    if isinstance(value, dict):
        if set(value) == {"en", "zh"}:
            return {lang: hostile + words for lang, words in value.items()}
        return {key: _replace_texts(item, hostile) for key, item in value.items()}
    if isinstance(value, list):
        return [_replace_texts(item, hostile) for item in value]
    return value


def test_hostile_names_in_figures_are_escaped(short: dict[str, Any]) -> None:
    rows = short["claims"][1]["figures"][0]["rows"]
    for row in rows:
        row["norm"] = f"<script>{row['norm']}</script>$x^2$"
    page = html(short)
    assert "<script>" not in page
    assert Outline(page).open == []
    assert "$x^2$" in page


def test_the_same_results_give_the_same_bytes(document: dict[str, Any], page: Page) -> None:
    assert html(document) == page("en")


def test_it_stays_far_below_three_megabytes(page: Page) -> None:
    assert len(page("zh").encode()) < 800_000


def test_many_rows_do_not_make_a_page_too_large(document: dict[str, Any]) -> None:
    for claim in document["claims"]:
        for figure in claim["figures"]:
            if figure["kind"] == "lines":
                first = figure["rows"][0]
                x, y = figure["x"]["field"], figure["y"]["field"]
                figure["rows"] = [
                    {**first, x: step, y: 1 / step, "norm": norm}
                    for norm in ("none", "batch", "layer", "instance", "group")
                    for step in range(1, 6001)
                ]
    page = html(document)
    assert len(page.encode()) < 3_000_000
    assert "figures/convergence-curves.csv" in page


def test_the_first_screen_has_the_verdicts_and_the_choice(outline: Outline) -> None:
    classes = [str(table.get("class")) for table in outline.all("table")]
    assert classes[0].startswith("verdicts")
    assert classes[1].startswith("choices")


def test_tables_have_captions_and_headers_have_scope(outline: Outline) -> None:
    assert len(outline.all("caption")) == len(outline.all("table"))
    assert all(header.get("scope") in ("row", "col", "colgroup") for header in outline.all("th"))


def test_every_figure_is_an_image_with_a_title(document: dict[str, Any], outline: Outline) -> None:
    maps = sum(step["maps"] is not None for step in document["lesson"]["steps"])
    figures = len(csv_files(document)) + maps
    assert len(outline.all("figure")) == figures == len(outline.all("figcaption"))
    plots = [svg for svg in outline.all("svg") if "plot" in str(svg.get("class"))]
    assert len(plots) >= figures
    assert all(svg["role"] == "img" and svg["aria-labelledby"] for svg in plots)


def test_the_numbers_of_a_figure_are_in_the_page(
    document: dict[str, Any], outline: Outline
) -> None:
    links = {str(link["download"]): str(link["href"]) for link in outline.all("a")
             if "download" in link}  # fmt: skip
    files = csv_files(document)
    assert set(links) == set(files)
    for name, link in links.items():
        assert base64.b64decode(link.removeprefix("data:text/csv;base64,")).decode() == files[name]


@pytest.mark.parametrize(
    "said",
    [
        "normkit study --data digits",
        "not an image: the file is empty &lt;0 bytes&gt;",
        "520 run, 12 reused, 31 diverged, 1 failed",
        "initialisation: gains 0.03 and 30",
        "out of memory",
        "6 min 31 s",
        "2026-11-23 15:10 UTC",
        "×3.1",
        "[2.5, 3.9]",
        "98.3 % interval",
        "97.5 % interval",
        "&gt; ×1.25",
        "<code>instance</code> never reached the target in 2 of 3 seeds",
        "open marker at the edge: no finite value (instance × 3)",
        "not drawn, zero or negative on a log scale: none × 1",
        "not drawn, no finite value: instance × 10",
    ],
)
def test_what_a_reader_must_learn_is_there(page: Page, said: str) -> None:
    assert said in page("en")


def test_chinese_pages_have_no_english_words_of_their_own(page: Page) -> None:
    english, chinese = (set(re.findall(r">([^<>]+)<", page(lang))) for lang in ("en", "zh"))
    shared = {words.strip() for words in english & chinese}
    phrases = {words for words in shared if re.fullmatch(r"[A-Z][a-z]+(?: [a-z]+)+", words)}
    assert phrases == set()
    assert 'lang="zh-Hans"' in page("zh")


def test_a_claim_with_two_primary_verdicts_has_two_rows_and_one_answer(
    short: dict[str, Any],
) -> None:
    claim = short["claims"][3]
    for verdict in claim["verdicts"]:
        verdict["outcome"] = "supported" if verdict["id"] == "gap" else "inconclusive"
    page = html(short)
    table = page[page.index("<table") : page.index("</table>")]
    assert table.count(claim["title"]["en"]) == 2
    for what in ("Test minus training loss", "How much less dropout helps"):
        assert what in table
    section = page[page.index('id="claim-overfitting"') :]
    head = section[: section.index("</div>")]
    assert '<span class="outcome supported">' in head


def test_what_was_not_measured_has_its_reason_in_the_table(short: dict[str, Any]) -> None:
    verdict = short["claims"][0]["verdicts"][0]
    verdict |= {"outcome": "inconclusive", "effect": None, "low": None, "high": None,
                "note": {"en": "it cannot be set", "zh": "无法设定"}}  # fmt: skip
    page = html(short)
    table = page[page.index("<table") : page.index("</table>")]
    assert "it cannot be set" in table


def test_a_study_cut_short_says_so(short: dict[str, Any]) -> None:
    assert "Some trials are missing" not in html(short)
    short["complete"] = False
    short["recipe"]["found"] = False
    page = html(short)
    assert "Some trials are missing" in page
    assert "The comparator never trained" in page


def test_an_empty_study_still_makes_a_page(document: dict[str, Any]) -> None:
    document |= {"claims": [], "dropped": [], "failures": [], "seconds": None}
    document["choices"] |= {"columns": [], "rows": []}
    page = html(document)
    assert Outline(page).open == []
    assert "No claim has a verdict yet." in page
    assert "Nothing was left out." in page


def test_a_claim_without_verdict_or_figure_says_so(short: dict[str, Any]) -> None:
    short["claims"][0] |= {"verdicts": [], "figures": []}
    assert "This claim has no verdict." in html(short)


def test_many_classes_are_counted_not_listed(short: dict[str, Any]) -> None:
    short["data"]["classes"] = [f"class-{index}" for index in range(1000)]
    page = html(short)
    assert "1000: class-0" in page
    assert f"and {1000 - page_file.MOST_CLASSES} more" in page
    assert "class-500" not in page


def test_a_foreign_document_is_refused() -> None:
    with pytest.raises(ResultsError):
        html({"schema": 1})


def test_an_unknown_language_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="did you mean 'zh'"):
        html(document, "zhh")


@pytest.mark.parametrize(
    ("schedule", "told"), [(None, "constant"), ("cosine", "cosine, to zero at the last step")]
)
def test_the_recipe_tells_how_the_rate_changes(
    short: dict[str, Any], schedule: str | None, told: str
) -> None:
    if schedule:
        short["recipe"]["schedule"] = schedule
    assert f"<dt>Learning rate over the steps</dt><dd>{told}</dd>" in html(short)
