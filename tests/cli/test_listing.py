"""`normkit list` shows every name that the other commands take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from normkit.models import MODELS
from normkit.nn.catalogue import catalogue
from normkit.study.arms import RIVALS
from normkit.study.claims import claims

NAMES = {"norms": catalogue(), "rivals": RIVALS, "claims": claims(), "models": MODELS}


@pytest.mark.parametrize("what", NAMES)
def test_lists_every_name(normkit: Callable[..., Any], what: str) -> None:
    ran = normkit("list", what)
    assert ran.code == 0
    first_words = {line.split()[0] for line in ran.out.splitlines() if line.strip()}
    assert set(NAMES[what]) <= first_words
