"""Every claim is complete, in both languages, and is found by its name."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

import normkit.study.claims
from normkit.study.claim import Claim
from normkit.study.claims import choose, claims


@pytest.mark.parametrize("claim", claims().values(), ids=list(claims()))
def test_every_word_is_there_in_both_languages(claim: Claim):
    texts = [getattr(claim, f.name) for f in fields(claim) if f.type == "Text"]
    assert len(texts) == 4
    for told in [*texts, *claim.advice.values()]:
        assert set(told) == {"en", "zh"}
        assert all(told.values())
        assert any("\u4e00" <= letter <= "\u9fff" for letter in told["zh"])


@pytest.mark.parametrize("claim", claims().values(), ids=list(claims()))
def test_there_is_advice_for_every_outcome(claim: Claim):
    assert set(claim.advice) == {"supported", "refuted", "inconclusive"}


def test_three_claims_are_headlines():
    headlines = [claim.id for claim in claims().values() if claim.headline]
    assert headlines == ["convergence", "overfitting", "initialisation"]


def test_a_claim_is_named_as_its_file_or_folder():
    folder = Path(normkit.study.claims.__file__).parent
    rooms = {file.stem for file in folder.iterdir() if not file.name.startswith("__")}
    assert set(claims()) == rooms


def test_all_claims_are_chosen_unless_some_are_named_and_always_in_the_same_order():
    assert choose(None) == tuple(claims())
    assert choose(("cost", "standardise")) == ("standardise", "cost")


def test_an_unknown_claim_is_told_with_the_close_matches():
    with pytest.raises(ValueError, match=r"unknown claim 'convergance'.*convergence"):
        choose(("convergance",))
