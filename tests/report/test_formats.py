"""Numbers read as a careful author would set them."""

from __future__ import annotations

from typing import Any

import pytest

from normkit.report import formats


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (0.5, "0.5"),
        (3.14159, "3.14"),
        (-2.5, "−2.5"),
        (1149, "1149"),
        (17034, "17\u202f034"),
        (123456.7, "123\u202f457"),
        (999_999.7, "1\u202f000\u202f000"),
        (2e6, "2×10⁶"),
        (1e-6, "10⁻⁶"),
        (-1e-6, "−10⁻⁶"),
        (None, "–"),
    ],
)
def test_a_number(value: float | None, shown: str) -> None:
    assert formats.number(value) == shown


def test_a_number_and_its_interval_share_their_decimals() -> None:
    assert formats.aligned([1.2, 0.9, 1.53]) == ["1.20", "0.90", "1.53"]
    assert formats.aligned([0.0, None, 0.0]) == ["0", "–", "0"]


def test_numbers_too_small_for_decimals_are_powers_of_ten() -> None:
    assert formats.aligned([3e-6, 1e-6, 6e-6]) == ["3×10⁻⁶", "10⁻⁶", "6×10⁻⁶"]


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("percent", 0.0213, "2.1 %"),
        ("percent", 1.0, "100 %"),
        ("percent", 0.0, "0 %"),
        ("percent", 0.00123, "0.12 %"),
        ("seconds", 0.0123, "12.3 ms"),
        ("seconds", 12.34, "12.3 s"),
        ("seconds", 6000.0, "100 min"),
        ("milliseconds", 3.4, "3.4 ms"),
        ("bytes", 512.0, "512 B"),
        ("bytes", 3.0 * 2**30, "3 GiB"),
        ("ratio", 1.2, "×1.2"),
        ("rate", 0.03, "0.03"),
        ("number", None, "–"),
    ],
)
def test_a_value_of_the_choice_table(kind: Any, value: float | None, shown: str) -> None:
    assert formats.column(value, kind) == shown


def test_an_interval_names_its_unit_only_if_its_ends_differ() -> None:
    assert formats.column_interval(0.4, 1.25, "seconds") == "[0.4, 1.25]"
    assert formats.column_interval(0.04, 1.25, "seconds") == "[40 ms, 1.25 s]"
    assert formats.column_interval(None, None, "seconds") == ""
    assert formats.column_interval(None, 2.0, "ratio") == "[–, 2]"


def verdict(**fields: Any) -> Any:
    blank = {"effect": None, "low": None, "high": None, "delta": None, "no_effect": 0.0}
    return {**blank, "claimed": "greater", "style": "value", **fields}


@pytest.mark.parametrize(
    ("style", "numbers", "shown"),
    [
        ("ratio", (3.1, 2.5, 3.9), ("×3.1", "[2.5, 3.9]")),
        ("difference", (0.01, -0.012, 0.032), ("+0.010", "[−0.012, 0.032]")),
        ("points", (-0.012, -0.02, -0.004), ("−1.2 pp", "[−2.0, −0.4]")),
        ("share", (0.8, 0.75, 0.85), ("80 %", "[75, 85]")),
        ("log10", (1.0, 0.0, 2.0), ("×10", "[1, 100]")),
        ("value", (0.5, 0.25, 0.75), ("0.50", "[0.25, 0.75]")),
    ],
)
def test_an_effect_by_style(style: str, numbers: tuple[float, ...], shown: tuple[str, str]) -> None:
    low_to_high = dict(zip(("effect", "low", "high"), numbers, strict=True))
    assert formats.effect(verdict(style=style, **low_to_high), "pp") == shown


def test_an_open_end_is_shown_as_open() -> None:
    assert formats.effect(verdict(style="ratio", high=1.9), "pp") == ("–", "[0, 1.9]")
    assert formats.effect(verdict(style="ratio", effect=2.0, low=1.5), "pp") == ("×2", "[1.5, ∞]")
    assert formats.effect(verdict(effect=2.0, high=3.0), "pp") == ("2.0", "[−∞, 3.0]")


def test_an_effect_without_an_interval_has_none() -> None:
    assert formats.effect(verdict(effect=2.0), "pp") == ("2.0", "")


def test_a_power_beyond_floats_is_still_told() -> None:
    assert formats.effect(verdict(style="log10", effect=400.0), "pp")[0] == "×10^400"


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"claimed": "greater", "delta": 1.25, "style": "ratio"}, "> ×1.25"),
        ({"claimed": "less", "delta": -0.005, "style": "points"}, "< −0.5 pp"),
        ({"claimed": "equal", "delta": 1e-3}, "−0.001 … 0.001"),
        ({"claimed": "equal", "delta": 1.25, "style": "ratio", "no_effect": 1.0}, "×0.8 … ×1.25"),
        ({"claimed": "greater", "delta": None}, "–"),
    ],
)
def test_where_a_claim_holds(fields: dict[str, Any], shown: str) -> None:
    assert formats.threshold(verdict(**fields), "pp") == shown
