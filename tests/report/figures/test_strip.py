"""The picture of one verdict: interval against no effect and δ."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest

from normkit.report.figures.strip import WIDTH, Scale, strip


def verdict(**fields: Any) -> Any:
    blank = {"effect": 2.0, "low": 1.5, "high": 2.5, "delta": 1.25, "no_effect": 1.0}
    return {**blank, "claimed": "greater", "style": "ratio", **fields}


def places(svg: str) -> dict[str, float]:
    """Where each part of the picture lies."""
    found = {"dot": float(re.findall(r'cx="([\d.]+)"', svg)[0])}
    found["none"] = float(re.findall(r'"no-effect" d="M([\d.]+)', svg)[0])
    found["low"], found["high"] = map(
        float, re.findall(r'"span" d="M([\d.]+) 9.0H([\d.]+)', svg)[0]
    )
    found["zone"], width = map(float, re.findall(r'x="([\d.]+)" y="0" width="([\d.]+)"', svg)[0])
    return found | {"end": found["zone"] + width}


def test_everything_lies_in_its_order() -> None:
    at = places(strip(verdict(), Scale([verdict()])))
    assert 0 < at["none"] < at["zone"] < at["low"] < at["dot"] < at["high"] < at["end"] == WIDTH


def test_a_claim_of_less_is_shaded_on_the_left() -> None:
    less = verdict(claimed="less", delta=0.8)
    at = places(strip(less, Scale([less])))
    assert at["zone"] == 0
    assert at["end"] < at["none"]


def test_an_identity_is_shaded_around_no_effect() -> None:
    equal = verdict(claimed="equal", style="value", delta=0.1, no_effect=0.0, effect=0.01,
                    low=0.0, high=0.02)  # fmt: skip
    at = places(strip(equal, Scale([equal])))
    assert at["none"] == pytest.approx((at["zone"] + at["end"]) / 2, abs=0.2)


def test_ratios_lie_on_a_log_scale() -> None:
    double = verdict(effect=2.0, low=1.0, high=4.0)
    at = places(strip(double, Scale([double])))
    assert at["dot"] - at["low"] == pytest.approx(at["high"] - at["dot"], abs=0.2)


def test_a_far_end_is_cut_with_an_arrow() -> None:
    far = verdict(high=1e9)
    svg = strip(far, Scale([verdict(), far]))
    assert places(svg)["high"] == WIDTH
    assert svg.count("arrow") == 1


def test_an_open_end_has_an_arrow() -> None:
    assert strip(verdict(low=None), Scale([verdict()])).count("arrow") == 1


def test_without_an_effect_there_is_no_dot() -> None:
    assert "dot" not in strip(verdict(effect=None, low=None), Scale([verdict()]))
    assert strip(verdict(effect=None, low=None, high=None), Scale([verdict()])) == ""


@pytest.mark.parametrize("effect", [0.0, -1.0])
def test_a_ratio_that_is_not_positive_still_draws(effect: float) -> None:
    odd = verdict(effect=effect, low=-1.0, high=0.0)
    drawn = ElementTree.fromstring(strip(odd, Scale([odd])))
    assert drawn.tag.endswith("svg")


def test_a_verdict_without_threshold_still_draws() -> None:
    bare = verdict(delta=None, no_effect=None, low=None, high=None)
    svg = strip(bare, Scale([bare]))
    assert "zone" not in svg
    assert "dot" in svg


def test_the_picture_is_decoration_for_those_who_hear_the_page() -> None:
    assert 'aria-hidden="true"' in strip(verdict(), Scale([verdict()]))
