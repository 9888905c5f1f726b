"""What the two tables of the first screen hold."""

from __future__ import annotations

from typing import Any

from normkit.report import tables
from normkit.report.results import read
from normkit.report.schema import Results


def marks(document: dict[str, Any], column: int) -> dict[str, str | None]:
    cells = tables.choice_cells(read(document))
    return {row["norm"]: values[column].mark for row, values in cells}


def test_norms_stand_in_the_order_of_the_choice_table(checked: Results) -> None:
    assert tables.verdict_norms(checked) == ["batch", "layer", "instance", "group"]


def test_a_claim_with_two_questions_has_two_rows(checked: Results) -> None:
    rows = [row for row in tables.verdict_rows(checked) if row.claim["id"] == "convergence"]
    assert [row.first for row in rows] == [True, False]
    assert [row.verdicts["batch"]["id"] for row in rows] == ["steps", "seconds"]  # type: ignore[index]


def test_the_rows_of_one_claim_each_ask_their_own_question(checked: Results) -> None:
    rows = [row for row in tables.verdict_rows(checked) if row.claim["id"] == "overfitting"]
    assert [row.what["en"] for row in rows] == [
        "Test minus training loss, at equal training loss",
        "How much less dropout helps",
    ]
    assert [norm for norm, verdict in rows[1].verdicts.items() if verdict] == ["batch", "group"]


def test_a_norm_that_was_not_asked_has_no_verdict(checked: Results) -> None:
    row = tables.verdict_rows(checked)[5]
    assert row.verdicts["batch"] is not None
    assert row.verdicts["layer"] is None


def test_secondary_questions_come_last_in_a_claim(checked: Results) -> None:
    asked = [group[0]["id"] for group in tables.questions(checked["claims"][1])]
    assert asked == ["steps", "seconds", "same_rate"]


def test_the_best_is_marked_and_so_is_what_its_interval_reaches(document: dict[str, Any]) -> None:
    close = tables.CLOSE
    assert marks(document, 0) == {
        "none": None, "batch": tables.BEST, "layer": close, "instance": None, "group": close
    }  # fmt: skip


def test_where_more_is_better_the_largest_is_best(document: dict[str, Any]) -> None:
    document["choices"]["columns"][0]["better"] = "high"
    assert marks(document, 0)["instance"] == tables.BEST


def test_a_column_without_better_or_worse_has_no_best(document: dict[str, Any]) -> None:
    document["choices"]["columns"][0]["better"] = None
    assert set(marks(document, 0).values()) == {None}


def test_what_was_never_reached_is_not_the_best(document: dict[str, Any]) -> None:
    assert marks(document, 1)["instance"] is None
    rows = tables.choice_cells(read(document))
    assert rows[3][1][1].value == "–"


def test_a_single_value_is_best_of_nothing(document: dict[str, Any]) -> None:
    document["choices"]["rows"] = document["choices"]["rows"][:1]
    assert set(marks(document, 0).values()) == {None}
