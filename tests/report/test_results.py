"""A results document is checked whole before any of it is shown."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from normkit.report import ResultsError
from normkit.report.results import read


def test_a_whole_document_is_returned_as_it_came(document: dict[str, Any]) -> None:
    assert read(document) is document


def test_a_document_survives_json(document: dict[str, Any]) -> None:
    assert read(json.loads(json.dumps(document))) == document


@pytest.mark.parametrize("other", [None, [], "results", 1])
def test_what_is_no_mapping_is_no_document(other: Any) -> None:
    with pytest.raises(ResultsError, match="must be a mapping"):
        read(other)


def test_a_mapping_without_schema_is_no_document() -> None:
    with pytest.raises(ResultsError, match="not a results document"):
        read({"trials": {}})


def test_another_schema_is_refused_with_the_fix(document: dict[str, Any]) -> None:
    document["schema"] = 2
    with pytest.raises(ResultsError, match=r"must be 1, got 2.*another version"):
        read(document)


@pytest.mark.parametrize(
    "key", ["title", "machine", "trials", "data", "model", "recipe", "choices", "claims"]
)
def test_a_missing_key_is_named(document: dict[str, Any], key: str) -> None:
    del document[key]
    with pytest.raises(ResultsError, match=f'results lacks the key "{key}"'):
        read(document)


def test_a_misspelt_key_is_pointed_out(document: dict[str, Any]) -> None:
    verdict = document["claims"][1]["verdicts"][0]
    verdict["efect"] = verdict.pop("effect")
    with pytest.raises(ResultsError) as error:
        read(document)
    assert 'results["claims"][1]["verdicts"][0] lacks the key "effect"' in str(error.value)
    assert 'it has "efect"' in str(error.value)


def test_an_unknown_outcome_lists_the_choices(document: dict[str, Any]) -> None:
    document["claims"][0]["verdicts"][0]["outcome"] = "suported"
    with pytest.raises(ResultsError, match=r"'supported', 'refuted', 'inconclusive'.*did you mean"):
        read(document)


def test_a_missing_language_is_found(document: dict[str, Any]) -> None:
    del document["claims"][2]["advice"]["zh"]
    with pytest.raises(ResultsError, match=r'\[2\]\["advice"\] lacks the key "zh"'):
        read(document)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_not_finite_must_be_null(document: dict[str, Any], value: float) -> None:
    document["claims"][1]["figures"][0]["rows"][0]["training_loss"] = value
    with pytest.raises(ResultsError, match=r"must be finite.*write null"):
        read(document)


def test_a_truth_value_is_not_a_number(document: dict[str, Any]) -> None:
    document["claims"][1]["verdicts"][0]["effect"] = True
    with pytest.raises(ResultsError, match="must be a number, got True"):
        read(document)


@pytest.mark.parametrize("share", [95, 1, 0, -0.5])
def test_a_confidence_is_a_share(document: dict[str, Any], share: float) -> None:
    document["claims"][1]["verdicts"][2]["confidence"] = share
    with pytest.raises(ResultsError, match=r'\[1\]\["verdicts"\]\[2\]\["confidence"\] must lie'):
        read(document)


def test_an_older_document_need_not_say_its_confidence(document: dict[str, Any]) -> None:
    del document["claims"][1]["verdicts"][2]["confidence"]
    assert read(document) is document


def test_a_row_without_a_drawn_field_is_found(document: dict[str, Any]) -> None:
    del document["claims"][1]["figures"][0]["rows"][3]["low"]
    with pytest.raises(ResultsError, match=r'\["rows"\]\[3\] lacks the field "low"'):
        read(document)


def test_a_name_where_a_number_is_drawn_is_found(document: dict[str, Any]) -> None:
    document["claims"][1]["figures"][0]["rows"][3]["training_loss"] = "0.5"
    with pytest.raises(ResultsError, match=r"must be a number or null to be drawn, got '0\.5'"):
        read(document)


def test_a_heat_map_needs_a_value(document: dict[str, Any]) -> None:
    document["claims"][4]["figures"][0]["value"] = None
    with pytest.raises(ResultsError, match='it needs "value"'):
        read(document)


@pytest.mark.parametrize("name", ["../../etc/passwd", "a b", ""])
def test_an_id_that_cannot_name_a_file_is_refused(document: dict[str, Any], name: str) -> None:
    document["claims"][0]["figures"][0]["id"] = name
    with pytest.raises(ResultsError, match="an id is made of letters"):
        read(document)


def test_two_claims_of_one_name_are_refused(document: dict[str, Any]) -> None:
    document["claims"][1]["id"] = document["claims"][0]["id"]
    with pytest.raises(ResultsError, match="'standardise' twice"):
        read(document)


def test_a_long_value_is_cut_in_the_error(document: dict[str, Any]) -> None:
    document["seconds"] = "x" * 1000
    with pytest.raises(ResultsError) as error:
        read(document)
    assert len(str(error.value)) < 160


class TestALesson:
    def test_an_older_document_has_none(self, document: dict[str, Any]) -> None:
        del document["lesson"]
        assert read(document) is document

    def test_a_formula_needs_its_numbers(self, document: dict[str, Any]) -> None:
        del document["lesson"]["steps"][0]["formulas"][0]["values"]["mean"]
        with pytest.raises(ResultsError, match='has a place for "mean" but no such value'):
            read(document)

    def test_a_row_needs_a_cell_for_each_column(self, document: dict[str, Any]) -> None:
        document["lesson"]["steps"][0]["tables"][1]["rows"][2]["cells"].pop()
        with pytest.raises(
            ResultsError, match=r'\["tables"\]\[1\]\["rows"\]\[2\] must have.*got 3'
        ):
            read(document)

    @pytest.mark.parametrize("image", [6, -1])
    def test_a_row_is_about_an_image_that_is_there(
        self, document: dict[str, Any], image: int
    ) -> None:
        document["lesson"]["steps"][0]["tables"][0]["rows"][0]["image"] = image
        with pytest.raises(ResultsError, match="must be one of the 6 images"):
            read(document)

    def test_every_map_has_its_size(self, document: dict[str, Any]) -> None:
        document["lesson"]["steps"][1]["maps"]["values"][0][3].pop()
        with pytest.raises(ResultsError, match="a map of 16 numbers"):
            read(document)

    def test_every_image_has_as_many_maps(self, document: dict[str, Any]) -> None:
        document["lesson"]["steps"][1]["maps"]["values"][0].pop()
        with pytest.raises(ResultsError, match="for every image and channel"):
            read(document)

    @pytest.mark.parametrize("size", [[4], [0, 4], []])
    def test_a_map_has_rows_and_columns(self, document: dict[str, Any], size: list[int]) -> None:
        document["lesson"]["steps"][1]["maps"]["size"] = size
        with pytest.raises(ResultsError, match="must be rows and columns of a map"):
            read(document)

    def test_a_paper_is_linked_by_https_alone(self, document: dict[str, Any]) -> None:
        document["lesson"]["terms"][1]["paper"]["address"] = "javascript:alert(1)"
        with pytest.raises(ResultsError, match="must begin with https://"):
            read(document)

    def test_ridges_need_a_height(self, document: dict[str, Any]) -> None:
        document["lesson"]["steps"][2]["figures"][0]["value"] = None
        with pytest.raises(ResultsError, match="the field that is their height"):
            read(document)

    def test_its_figures_do_not_share_a_name(self, document: dict[str, Any]) -> None:
        document["lesson"]["steps"][0]["figures"][0]["id"] = "outcomes"
        with pytest.raises(ResultsError, match="'outcomes' twice"):
            read(document)

    def test_no_claim_has_its_name(self, document: dict[str, Any]) -> None:
        document["claims"][0]["id"] = "lesson"
        with pytest.raises(ResultsError, match="'lesson' twice"):
            read(document)
