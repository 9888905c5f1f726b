"""A finished study's results, and what becomes of a folder that holds none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from normkit.study import StoreError, StudyResult
from normkit.study.bilingual import text
from normkit.study.claims import claims
from normkit.study.code import code_digest
from normkit.study.context import Context
from normkit.study.plan import Plan
from normkit.study.result import _claim, adjusted, in_chinese
from normkit.study.simulation import SimulatedTrials
from normkit.study.verdict import paired


def test_rows_are_flat(finished: Any) -> None:
    [row] = finished.result.to_rows()
    assert (row["claim"], row["norm"], row["outcome"]) == ("standardise", "batch", "supported")
    assert not any(isinstance(value, (dict, list)) for value in row.values())


def test_the_document_is_plain_json(finished: Any) -> None:
    document = finished.result.document
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_the_document_identifies_its_images_and_its_code(finished: Any) -> None:
    document = finished.result.document
    assert document["data"]["fingerprint"] == finished.study.prepare().fingerprint
    assert document["data"]["augmented"] is False
    assert document["code"] == code_digest()
    assert "source" not in document


def test_the_table_of_choices_has_a_row_per_norm(finished: Any) -> None:
    rows = finished.result.document["choices"]["rows"]
    assert [row["norm"] for row in rows] == ["none", "batch"]
    for row in rows:
        assert row["values"]["seconds_per_step"]["value"] > 0
        assert row["values"]["bytes"]["value"] > 0


def test_the_report_goes_where_it_is_told(finished: Any, tmp_path: Path) -> None:
    path = finished.result.report(tmp_path, "both")
    assert path.parent == tmp_path
    assert {"report.html", "report.zh.html", "results.json"} <= {
        entry.name for entry in tmp_path.iterdir()
    }


@pytest.mark.parametrize("content", [None, "", "{}", "[]"])
def test_a_folder_without_results_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "results.json").write_text(content)
    with pytest.raises(StoreError, match=r"holds no readable results\.json: run `normkit study"):
        StudyResult.load(tmp_path)


def test_results_of_another_schema_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"schema": 99}')
    with pytest.raises(StoreError, match=r"schema 1, got 99 in .*; use that version"):
        StudyResult.load(tmp_path)


def test_nothing_is_advised_by_a_claim_that_was_not_measured(full_plan: Plan) -> None:
    plan = replace(full_plan, claims=("placement",), placements=(), adjustable=frozenset())
    finding = claims()["placement"].judge(Context(plan, SimulatedTrials()))
    told = _claim(plan, "placement", finding.verdicts, finding)["advice"]
    assert told["en"] == (
        "Nothing can be concluded here: where this network has its norms cannot be set from "
        "outside."
    )
    assert told["zh"].startswith("这里无法得出结论：无法从外部设定")


@pytest.mark.parametrize(("ratios", "told"), [([0.3, -0.2, 0.4], True), ([0.9, -0.2, 0.4], False)])
def test_where_the_grid_ended_a_small_effect_is_not_refuted(
    full_plan: Plan, ratios: list[float], told: bool
) -> None:
    finding = claims()["depth"].judge(Context(full_plan, SimulatedTrials()))
    [first, *_] = [v for v in finding.verdicts if v.norm == "batch"]
    note = text("3 networks still trained at the end", "3 个网络在末端仍能训练")
    capped = replace(first, lower_bound=True, note=note, undecided=None, effect=paired(ratios))
    assert capped.outcome == "inconclusive"
    advice = _claim(full_plan, "depth", [capped], finding)["advice"]["en"]
    said = "This study cannot refute it: 3 networks still trained at the end"
    assert advice.startswith(said) is told


def test_what_a_number_stands_on_is_told(full_plan: Plan) -> None:
    context = Context(full_plan, SimulatedTrials())
    told = {
        (name, verdict.id): verdict.to_dict()["depends"]
        for name in full_plan.claims
        for verdict in claims()[name].judge(context).verdicts
    }
    assert {place: depends for place, depends in told.items() if depends} == {
        ("convergence", "steps"): ["target"],
        ("convergence", "steps_same_rate"): ["target"],
        ("convergence", "seconds"): ["target", "machine"],
        ("convergence", "seconds_same_rate"): ["target", "machine"],
        ("learning_rate", "largest"): ["threshold"],
        ("initialisation", "share_base"): ["threshold"],
        ("initialisation", "share_tuned"): ["threshold"],
        ("initialisation", "spread"): ["threshold"],
        ("depth", "deepest"): ["threshold"],
        ("cost", "seconds"): ["machine"],
    }


def test_holms_family_is_one_verdict_of_each_headline_claim(full_plan: Plan) -> None:
    context = Context(full_plan, SimulatedTrials())
    findings = {name: claims()[name].judge(context) for name in full_plan.claims}
    verdicts = [v for found in adjusted(full_plan, findings).values() for v in found]
    confirmatory = [v for v in verdicts if not v.exploratory]
    assert {(v.id, v.norm) for v in confirmatory} == {
        ("steps", "batch"),
        ("gap", "batch"),
        ("share_base", "batch"),
    }
    assert sorted(v.confidence for v in confirmatory) == pytest.approx([0.95, 0.975, 1 - 0.05 / 3])
    assert all(v.confidence == 0.95 for v in verdicts if v.exploratory)


@pytest.mark.parametrize(
    ("note", "chinese"),
    [
        ("In 1 of 20 images transparency is dropped.", "20 张图像中有 1 张丢弃了透明度。"),
        ("In 2 of 20 images only the first frame is used.", "20 张图像中有 2 张只取第一帧。"),
        (
            "20 of 25 images are grey; all were converted to RGB.",
            "25 张图像中有 20 张为灰度图；全部转换为 RGB。",
        ),
        (
            "Channel 0, 2 is constant over the training images.",
            "通道 0, 2 在全部训练图像上为常数。",
        ),
    ],
)
def test_notes_on_the_data_are_told_in_chinese(note: str, chinese: str) -> None:
    assert in_chinese(note) == chinese
