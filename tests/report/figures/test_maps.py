"""The picture of who shares a mean: real maps as shades, one set framed."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest
from tests.report.example_lesson import CHANNELS, IMAGES, SIDE, sharing

from normkit.report.figures.maps import draw


@pytest.fixture
def maps() -> dict[str, Any]:
    found: dict[str, Any] = sharing()["maps"]
    return found


def svg(maps: dict[str, Any], panel: int = 0) -> str:
    return draw(maps, panel, "f", "Who shares: <batch>")  # type: ignore[arg-type]


def pixels(drawing: str, kind: str) -> int:
    paths = re.findall(rf'<path class="{kind}"[^>]* d="([^"]*)"', drawing)
    return sum(path.count("M") for path in paths)


def sides(drawing: str) -> int:
    found = re.search(r'class="frame-line" d="([^"]*)"', drawing)
    assert found is not None
    return found[1].count("M")


@pytest.mark.parametrize("panel", range(4))
def test_every_value_is_drawn_once_shared_or_apart(maps: dict[str, Any], panel: int) -> None:
    shared = len(maps["panels"][panel]["shared"]) * SIDE**2
    drawing = svg(maps, panel)
    assert pixels(drawing, "shared") == shared
    assert pixels(drawing, "apart") == IMAGES * CHANNELS * SIDE**2 - shared


@pytest.mark.parametrize(
    ("panel", "expected"), [(0, 2 * IMAGES + 2), (1, 2 * CHANNELS + 2), (2, 4), (3, 6)]
)
def test_the_frame_is_the_outline_of_the_set(
    maps: dict[str, Any], panel: int, expected: int
) -> None:
    assert sides(svg(maps, panel)) == expected


def test_images_and_channels_are_numbered_as_in_the_network(maps: dict[str, Any]) -> None:
    texts = re.findall(r"<text[^>]*>(\d+)</text>", svg(maps))
    assert texts == [*map(str, range(9, 17)), *map(str, range(1, 7))]


def test_a_larger_value_has_a_stronger_shade(maps: dict[str, Any]) -> None:
    maps["values"] = [[[0.0] * 15 + [1.0]] * CHANNELS] * IMAGES
    maps["panels"][0]["shared"] = []
    opacities = [float(found) for found in re.findall(r'fill-opacity="([\d.]+)"', svg(maps))]
    counts = [path.count("M") for path in re.findall(r'class="apart"[^>]* d="([^"]*)"', svg(maps))]
    assert opacities == sorted(opacities)
    assert counts == [15 * IMAGES * CHANNELS, IMAGES * CHANNELS]


def test_equal_values_are_drawn_in_one_shade(maps: dict[str, Any]) -> None:
    maps["values"] = [[[7.0] * 16] * CHANNELS] * IMAGES
    assert len(set(re.findall(r'fill-opacity="([\d.]+)"', svg(maps)))) == 1


def test_one_far_value_does_not_fade_the_rest(maps: dict[str, Any]) -> None:
    maps["panels"][0]["shared"] = []
    before = len(re.findall('class="apart"', svg(maps)))
    maps["values"][0][0][0] = 1e9
    assert len(re.findall('class="apart"', svg(maps))) == before


def test_it_is_svg_with_a_name_and_no_colour_of_its_own(maps: dict[str, Any]) -> None:
    root = ElementTree.fromstring(svg(maps))
    assert root.get("role") == "img"
    assert root.findtext("title") == "Who shares: <batch>"
    assert not re.search(r"#[0-9a-fA-F]{3,6}\b", svg(maps))
