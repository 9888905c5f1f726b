"""A verdict's numbers come with their unit, as a reader of either language writes it."""

from __future__ import annotations

from typing import Any

import pytest

from normkit.report.verdict_text import VerdictText
from normkit.report.words import Words

VERDICT: dict[str, Any] = {
    "effect": 0.02,
    "low": 0.01,
    "high": 0.03,
    "delta": 0.05,
    "no_effect": 0.0,
    "claimed": "greater",
    "style": "difference",
    "unit": {"en": "in the cosine", "zh": "（余弦值之差）"},
    "confidence": 0.95,
    "detectable": 0.06,
}


@pytest.mark.parametrize(
    ("lang", "effect", "threshold"),
    [
        ("en", "+0.02 in the cosine", "in the cosine"),
        ("zh", "+0.02（余弦值之差）", "（余弦值之差）"),
    ],
)
def test_a_unit_is_set_apart_by_a_space_but_for_one_in_chinese_parentheses(
    lang: str, effect: str, threshold: str
) -> None:
    shown = VerdictText.of(VERDICT, Words(lang))  # type: ignore[arg-type]
    assert shown.effect.replace("0.020", "0.02") == effect
    assert " （" not in shown.threshold
    assert shown.threshold.endswith(threshold)
