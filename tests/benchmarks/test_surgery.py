"""The verbs on the models of the zoo: what the page about surgery tells holds today."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

import surgery
import tables
from zoo import ZOO

KEPT = json.loads((tables.HERE / "results" / "surgery.json").read_text("utf-8"))
ROWS = {row["model"]: row["verbs"] for row in KEPT["rows"]}


@cache
def found(model: str, verb: str) -> dict[str, Any]:
    return surgery.measured(ZOO[model], surgery.VERBS[verb])


@pytest.mark.parametrize("verb", surgery.VERBS)
@pytest.mark.parametrize("model", ZOO)
class TestEveryVerbOnEveryModel:
    def test_does_what_the_page_says_and_can_be_taken_back(self, model: str, verb: str) -> None:
        today, kept = found(model, verb), ROWS[model][verb]
        assert today["exact_undo"]
        assert (today["done"], today["eligible"]) == (kept["done"], kept["eligible"])
        assert today["refused"] == kept["refused"]


@pytest.mark.parametrize("verb", ["fold", "fuse"])
@pytest.mark.parametrize("model", ZOO)
def test_what_is_to_leave_rounding_leaves_nothing_else(model: str, verb: str) -> None:
    assert found(model, verb)["difference"] < 1e-4


@pytest.mark.parametrize("verb", surgery.VERBS)
def test_nearly_every_eligible_site_is_done(verb: str) -> None:
    rows = [verbs[verb] for verbs in ROWS.values()]
    done, eligible = (sum(row[key] for row in rows) for key in ("done", "eligible"))
    assert done >= 0.95 * eligible > 100


def test_the_table_has_a_row_for_every_model(cells: Callable[[str], list[list[str]]]) -> None:
    models, _ = tables.surgery(KEPT).split("Eligible sites that were left alone:")
    _, *lines = cells(models)
    assert [line[0] for line in lines[:-1]] == list(ZOO)
    assert {len(line) for line in lines} == {7}
