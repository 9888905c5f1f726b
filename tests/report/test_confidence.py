"""At what confidence an interval holds."""

from __future__ import annotations

from typing import Any

import pytest
from tests.report.example_parts import text, verdict

from normkit.report import confidence
from normkit.report.results import read
from normkit.report.schema import Results
from normkit.report.verdict_text import VerdictText
from normkit.report.words import Words

WHAT = text("what", "何事")


def judged(low: float | None, high: float | None, **other: Any) -> Any:
    return verdict("id", WHAT, "batch", "supported", (2.0, low, high), **other)


def alone(document: dict[str, Any], *claims: int) -> Results:
    document["claims"] = [document["claims"][index] for index in claims]
    return read(document)


def test_it_is_the_verdicts_own() -> None:
    assert confidence.of(judged(1.0, 3.0, confidence=0.975)) == 0.975


def test_a_verdict_that_does_not_say_is_taken_at_95_percent() -> None:
    silent = judged(1.0, 3.0)
    del silent["confidence"]
    assert confidence.of(silent) == 0.95


def test_an_interval_open_at_one_end_has_one() -> None:
    assert confidence.of(judged(None, 3.0)) == 0.95


@pytest.mark.parametrize("ends", [(None, None), (2.0, 2.0)])
def test_what_has_no_interval_or_was_counted_has_none(
    ends: tuple[float | None, float | None],
) -> None:
    assert confidence.of(judged(*ends)) is None
    assert VerdictText.of(judged(*ends), Words("en")).confidence == ""


@pytest.mark.parametrize(("lang", "words"), [("en", "97.5 % interval"), ("zh", "97.5 % 置信区间")])
def test_it_is_said_beside_the_interval(lang: str, words: str) -> None:
    shown = VerdictText.of(judged(1.0, 3.0, confidence=0.975), Words(lang))
    assert shown.confidence == words


@pytest.mark.parametrize("share", [0.9996, 0.99999])
def test_no_interval_is_said_to_be_certain(share: float) -> None:
    assert confidence.percent(share) != "100 %"


def test_one_line_tells_the_intervals_that_are_judged_together(checked: Results) -> None:
    assert confidence.line(checked, Words("en")) == (
        "Confidence of the intervals: 95 %; for batch in the headline claims 95–98.3 % (Holm)"
    )
    assert "95–98.3 %" in confidence.line(checked, Words("zh"))


def test_where_all_are_alike_the_line_is_short(document: dict[str, Any]) -> None:
    line = confidence.line(alone(document, 0, 2), Words("en"))
    assert line == "Confidence of the intervals: 95 %"


def test_only_the_first_primary_verdict_of_a_headline_claim_is_judged_together(
    document: dict[str, Any],
) -> None:
    line = confidence.line(alone(document, 3), Words("en"))
    assert line.endswith("95 %; for batch in the headline claims 97.5 % (Holm)")


def test_without_an_interval_there_is_no_line(document: dict[str, Any]) -> None:
    document["claims"] = []
    assert confidence.line(read(document), Words("en")) == ""
