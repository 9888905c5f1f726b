"""The study in one sentence, made from its verdicts alone."""

from __future__ import annotations

from typing import Any

import pytest

from normkit.report import html, text
from normkit.report.results import read
from normkit.report.summary import headline_norm, outcome, sentence, summarise
from normkit.report.words import Words


def test_every_claim_is_told_by_its_outcome(document: dict[str, Any]) -> None:
    assert sentence(read(document), Words("en")) == (
        "On digits, against the same network without normalization, the verdicts on batch "
        "norm: supported (Zero mean, unit variance, Faster convergence, Larger learning rates, "
        "Insensitive to initial weights, No vanishing or exploding gradients); "
        "refuted (Less over-fitting, Less training time)."
    )


def test_it_speaks_chinese(document: dict[str, Any]) -> None:
    told = sentence(read(document), Words("zh"))
    assert told.startswith("在 digits 上")
    assert told.endswith("\uff1b不成立\uff08减轻过拟合、减少训练时间\uff09。")
    assert told.count("\uff1a") == 1


@pytest.mark.parametrize(
    ("outcomes", "whole"),
    [
        (["supported"], "supported"),
        (["refuted", "supported"], "refuted"),
        (["supported", "inconclusive"], "supported"),
    ],
)
def test_the_first_of_its_primary_verdicts_answers_a_claim(outcomes: list[str], whole: str) -> None:
    verdicts: Any = [{"outcome": each} for each in outcomes]
    assert outcome(verdicts) == whole


def test_too_few_seeds_are_said_to_be_exploratory(document: dict[str, Any]) -> None:
    for claim in document["claims"]:
        for verdict in claim["verdicts"]:
            # What costs are measured on is not what the rest stands on.
            verdict |= {"exploratory": True, "seeds": 8 if claim["id"] == "cost" else 3}
    document["recipe"]["seeds"] = [0, 1, 2]
    assert "With 3 seeds this is exploratory" in sentence(read(document), Words("en"))


def test_a_further_primary_verdict_leaves_the_sentence_alone(document: dict[str, Any]) -> None:
    before = sentence(read(document), Words("en"))
    for verdict in document["claims"][3]["verdicts"]:
        if verdict["id"] == "regularizers":
            verdict |= {"outcome": "supported", "exploratory": True, "seeds": 99}
    assert sentence(read(document), Words("en")) == before


def test_without_batch_it_speaks_of_the_norm_with_most_seeds(document: dict[str, Any]) -> None:
    for claim in document["claims"]:
        claim["verdicts"] = [v for v in claim["verdicts"] if v["norm"] != "batch"]
        for verdict in claim["verdicts"]:
            verdict["seeds"] = 5 if verdict["norm"] == "group" else 3
    assert headline_norm(read(document)) == "group"


def test_secondary_verdicts_do_not_count(document: dict[str, Any]) -> None:
    for claim in document["claims"]:
        for verdict in claim["verdicts"]:
            verdict["primary"] = False
    assert summarise(read(document), Words("en")) is None
    assert sentence(read(document), Words("en")) == "No claim has a verdict yet."


@pytest.fixture
def given(short: dict[str, Any]) -> dict[str, Any]:
    """A document of a network that was studied as it is."""
    [row, *_] = short["choices"]["rows"]
    short["choices"]["rows"] = [{**row, "norm": "given"}]
    short["claims"] = short["claims"][:1]
    [verdict, *_] = short["claims"][0]["verdicts"]
    short["claims"][0]["verdicts"] = [{**verdict, "norm": "given"}]
    return short


def test_a_network_as_it_is_is_compared_with_nothing(given: dict[str, Any]) -> None:
    told = sentence(read(given), Words("en"))
    assert told.startswith("On digits, the network was studied as it is, with nothing to compare")
    assert "the same network without" not in told
    assert "按原样研究" in sentence(read(given), Words("zh"))


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_its_page_speaks_of_no_other_network(given: dict[str, Any], lang: str) -> None:
    words = Words(lang)
    page = html(given, lang)
    assert words("verdicts_lead_given") in page
    assert words("choices_title_given") in page
    for misleading in ("verdicts_lead", "choices_title"):
        assert words(misleading) not in page


def test_a_page_without_verdicts_has_no_section_for_them(given: dict[str, Any]) -> None:
    given["claims"] = []
    page = html(given)
    assert "there is nothing to compare it with, so no claim is judged" in page
    assert 'id="verdicts"' not in page
    assert "#verdicts" not in page
    assert 'id="choices"' in page
    assert Words("en")("choices_title_given") in text(given)
