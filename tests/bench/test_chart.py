"""The chart is one SVG file that needs nothing around it."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from normkit.bench import chart
from normkit.bench.contestants import ALL
from normkit.bench.document import Document
from normkit.bench.words import means

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def root(document: Document) -> ET.Element:
    return ET.fromstring(chart.svg(document))


def texts(root: ET.Element) -> set[str]:
    return {"".join(text.itertext()).strip() for text in root.iter(f"{SVG}text")}


def test_it_is_svg_with_a_size(root: ET.Element) -> None:
    assert root.tag == f"{SVG}svg"
    assert float(root.get("width")) > 500
    assert float(root.get("height")) > 500


def test_it_has_a_panel_for_each_kind_of_case(root: ET.Element, document: Document) -> None:
    panels = [each for each in root.iter(f"{SVG}svg") if each.get("class") == "plot panel"]
    assert len(panels) == len(document["summary"])
    words = texts(root)
    assert {"batch, contiguous, float32, training", "3×8×5×2", "×1", "floor", "in place"} <= words


def test_both_means_over_normkit_are_told_for_each_panel_and_for_all(
    root: ET.Element, document: Document
) -> None:
    told = texts(root)
    for group in document["summary"]:
        assert means(group["over_normkit"]) in told
    assert f"Over all cases, geometric means: {means(document['over_normkit'])}" in told


def test_panels_do_not_lie_on_each_other(root: ET.Element) -> None:
    corners = [(each.get("x"), each.get("y")) for each in root.findall(f"{SVG}svg")]
    assert len(set(corners)) == len(corners)


def test_ids_are_unique_and_colours_need_no_page(root: ET.Element, document: Document) -> None:
    ids = [each.get("id") for each in root.iter() if each.get("id")]
    assert len(set(ids)) == len(ids)
    assert "var(" not in chart.svg(document)


def test_the_same_results_give_the_same_file(document: Document) -> None:
    assert chart.svg(document) == chart.svg(document)


def test_every_path_has_a_look_of_its_own() -> None:
    looks = [chart.STYLES[each.name] for each in ALL]
    assert len({look.light for look in looks}) == len({look.marker for look in looks}) == len(ALL)


def test_with_nothing_measured_it_is_still_a_file(document: Document) -> None:
    empty: Document = {**document, "rows": [], "summary": [], "over_normkit": {}}
    assert ET.fromstring(chart.svg(empty)).tag == f"{SVG}svg"
