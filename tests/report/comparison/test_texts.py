"""Sentences in both languages at once."""

from __future__ import annotations

import pytest

from normkit.report.comparison.texts import plain, said


@pytest.mark.parametrize(
    ("name", "chinese"),
    [
        ("a", "在 a 中成立"),
        ("甲", "在甲中成立"),
        ("a（探索性）", "在 a（探索性）中成立"),
        ("a、乙", "在 a、乙中成立"),
        ("{studies}", "在 {studies} 中成立"),
    ],
)
def test_no_space_stands_beside_what_is_set_in_chinese(name: str, chinese: str) -> None:
    assert said("supported_in", studies=plain(name))["zh"] == chinese
    assert said("supported_in", studies=plain(name))["en"] == f"supported in {name}"
