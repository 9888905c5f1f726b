"""The page of a comparison: whole, self-contained, safe, and the same every time."""

from __future__ import annotations

import re

import pytest
from tests.report.comparison.example import first, second
from tests.report.comparison.example import verdict as one
from tests.report.example import SCRIPT
from tests.report.example_parts import text
from tests.report.test_page import Outline

from normkit.report.comparison import compare, html
from normkit.report.comparison.schema import Comparison


@pytest.fixture(scope="module", params=["en", "zh"])
def page(request: pytest.FixtureRequest, three: Comparison) -> str:
    return html(three, request.param)


@pytest.fixture(scope="module")
def english(three: Comparison) -> str:
    return html(three)


def test_every_element_is_closed_in_turn(page: str) -> None:
    assert Outline(page).open == []
    assert "`" not in page


def test_ids_are_unique_and_links_lead_somewhere(page: str) -> None:
    outline = Outline(page)
    ids = [attributes["id"] for _, attributes in outline.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    inner = {str(a["href"])[1:] for a in outline.all("a") if str(a.get("href")).startswith("#")}
    assert inner <= set(ids)
    assert {"v-convergence-steps-batch", "caution-other_target"} <= inner


def test_nothing_is_fetched_and_nothing_runs(page: str) -> None:
    outline = Outline(page)
    assert not re.search(r"(?:https?:)?//\w", page)
    assert outline.all("script") == outline.all("img") == []
    policies = [str(m["content"]) for m in outline.all("meta") if m.get("http-equiv")]
    assert policies[0].startswith("default-src 'none'")


def test_tables_have_captions_and_headers_have_scope(page: str) -> None:
    outline = Outline(page)
    assert len(outline.all("caption")) == len(outline.all("table")) > 5
    assert all(header.get("scope") in ("row", "col") for header in outline.all("th"))


def test_a_contradiction_stands_before_everything_else(english: str) -> None:
    told = re.sub(r"<[^>]+>", "", english[english.index("</h1>") :]).split()
    assert " ".join(told[:5]) == "Verdicts that contradict each other:"
    assert "supported in first and third, refuted in second" in english[: english.index("<main>")]


def test_what_is_opposed_on_other_data_is_no_contradiction() -> None:
    other = second()
    other["data"] |= {"spec": "folder:letters"}
    page = html(compare({"a": first(), "b": other}))
    head = page[page.index("</h1>") : page.index("<main>")]
    assert "contradict each other" not in head
    assert "opposite on other data or another model" in head
    assert 'href="#v-convergence-steps-batch"' in head


def test_a_verdict_that_was_measured_in_another_way_says_of_what_it_is() -> None:
    other = first()
    one(other, "convergence", "steps", "batch")["what"] = text("Steps to half", "到一半的步数")
    page = html(compare({"a": first(), "b": other}))
    assert '<span class="agreement other_measure">measured in another way</span>' in page
    assert "Steps to half" in page


@pytest.mark.parametrize(
    "said",
    [
        "No verdict is supported in one study and refuted in another, where",
        "Nothing that the studies tell of themselves differs.",
        "The studies share seeds on the same data",
    ],
)
def test_a_study_beside_its_copy(said: str) -> None:
    assert said in html(compare({"a": first(), "b": first()}))


@pytest.mark.parametrize(
    "said",
    [
        "there is no test of their difference",
        "other targets",
        "other machines",
        "folder:letters",
        "<code>third</code>",
        "×3.1",
        "[0.7, 1.1]",
        "this norm is not in that study",
        "decided in one, open in another",
        "judged by other rules",
        "Claim holds where &lt; ×0.5",
        "headline claim",
        "Test error at equal budget",
    ],
)
def test_what_a_reader_must_learn_is_there(english: str, said: str) -> None:
    assert said in english


def test_studies_are_drawn_on_one_scale(three: Comparison, english: str) -> None:
    row = english[english.index('id="v-convergence-steps-batch"') :]
    row = row[: row.index("</tr>")]
    edges = re.findall(r'class="delta" d="M([\d.]+)', row)
    dots = [float(at) for at in re.findall(r'class="dot" cx="([\d.]+)', row)]
    assert len(edges) == 3
    assert len(set(edges)) == 1
    assert dots[0] == dots[2] > dots[1]


def test_another_versions_style_of_effect_has_a_scale_of_its_own() -> None:
    other = second()
    for claim in other["claims"]:
        for verdict in claim["verdicts"]:
            if claim["id"] == "convergence":
                verdict.update(style="log10", effect=0.3, low=0.1, high=0.5, delta=0.1, no_effect=0)
    page = html(compare({"a": first(), "b": other}))
    assert "the scale of the effect is not the same" in page


def test_chinese_pages_have_no_english_words_of_their_own(three: Comparison) -> None:
    pages = [set(re.findall(r">([^<>]+)<", html(three, lang))) for lang in ("en", "zh")]
    shared = {words.strip() for words in pages[0] & pages[1]}
    assert {words for words in shared if re.fullmatch(r"[A-Z][a-z]+(?: [a-z]+)+", words)} == set()


def test_a_name_cannot_become_markup() -> None:
    page = html(compare({SCRIPT: first(), "b": second()}))
    assert SCRIPT not in page
    assert Outline(page).open == []


def test_the_same_document_gives_the_same_bytes(three: Comparison, english: str) -> None:
    assert html(three) == english


def test_studies_without_verdicts_or_choices_make_a_page() -> None:
    empty = first() | {"claims": []}
    empty["choices"] = empty["choices"] | {"columns": [], "rows": []}
    page = html(compare({"a": empty, "b": empty}))
    assert "No study has a verdict yet." in page
    assert Outline(page).open == []


def test_an_unknown_language_is_refused(pair: Comparison) -> None:
    with pytest.raises(ValueError, match="did you mean 'zh'"):
        html(pair, "zhh")
