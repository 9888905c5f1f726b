"""A study's lesson is told from a trained network of its own, in both languages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from normkit.data import Dataset
from normkit.report.results import PLACES
from normkit.study import train
from normkit.study.context import Context, NeedTrials
from normkit.study.engine import Task
from normkit.study.lesson import PROBES, ask, tell
from normkit.study.lesson.forward import _output
from normkit.study.lesson.scene import Scene
from normkit.study.plan import Plan
from normkit.study.record import Record
from normkit.study.simulation import SimulatedTrials
from normkit.study.spec import TrialSpec

CHINESE = re.compile(r"[\u4e00-\u9fff]")


class Trained:
    """In place of a context: trains, on the hundred digits, the trials that the lesson asks for."""

    def __init__(self, data: Dataset, spec: TrialSpec, headline: str, failing: str = "") -> None:
        self.data, self.spec, self.failing = data, spec, failing
        self.plan = _Plan(headline)

    def base(self, norm: str, seed: int) -> TrialSpec:
        return self.spec.but(norm=norm, seed=seed)

    def need(self, specs: list[TrialSpec], probes: tuple[str, ...]) -> list[Record | None]:
        return [
            None if spec.norm == self.failing else train.run(spec, probes, self.data)
            for spec in specs
        ]


class _Plan:
    def __init__(self, headline: str) -> None:
        self.headline = headline
        self.norms = ("none", headline)

    def seeds_of(self, norm: str) -> tuple[int, ...]:
        return (0, 1)


@pytest.fixture
def told(digits: Dataset, trial: Callable[..., TrialSpec]) -> Callable[..., dict[str, Any]]:
    """Tells the lesson of a small study: `told("group", depth=3)`."""

    def make(headline: str = "batch", failing: str = "", **changes: Any) -> dict[str, Any]:
        spec = trial(**{"depth": 3, "width": 8, "test": "end", **changes})
        return tell(Trained(digits, spec, headline, failing), digits)  # type: ignore[arg-type]

    return make


def texts(value: Any) -> Iterator[dict[str, str]]:
    if isinstance(value, dict) and set(value) == {"en", "zh"}:
        yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from texts(item)


def steps(lesson: dict[str, Any]) -> list[str]:
    return [step["id"] for step in lesson["steps"]]


def test_it_asks_for_one_judged_trial_of_each_norm_at_its_best_rate(full_plan: Plan) -> None:
    source = SimulatedTrials(classes=10)
    context = Context(full_plan, source)
    ask(context)
    asked = [task for task in source.asked.values() if task.probes]
    assert asked == [Task(context.base(norm, 0), PROBES) for norm in full_plan.norms]


def test_what_has_not_run_yet_is_asked_for_in_one_request(full_plan: Plan) -> None:
    class Tuned(SimulatedTrials):
        def find(self, task: Task) -> Any:
            return NeedTrials([task]) if task.probes else super().find(task)

    with pytest.raises(NeedTrials) as need:
        ask(Context(full_plan, Tuned(classes=10)))
    assert len(need.value.tasks) == len(full_plan.norms)


def test_it_goes_from_the_values_to_the_four_methods_and_along_training(told: Any) -> None:
    lesson = told()
    assert steps(lesson) == [
        "values", "moments", "standardised", "output", "backward", "sharing", "outcomes",
        "along-training",
    ]  # fmt: skip
    assert len(lesson["images"]) == 6


def test_its_numbers_follow_from_each_other(told: Any) -> None:
    formulas = {f["form"]: f["values"] for step in told()["steps"] for f in step["formulas"]}

    def values(start: str) -> dict[str, float]:
        return next(v for form, v in formulas.items() if form.startswith(start))

    moments, standardised = values("μ = "), values("x̂ = ")
    output, backward = values("y = "), values("= ( {h}")
    assert moments["mean"] == pytest.approx(moments["sum"] / moments["count"])
    assert moments["variance"] == pytest.approx(moments["squares"] / moments["count"])
    deviation = (moments["variance"] + moments["eps"]) ** 0.5
    normalised = (standardised["x"] - moments["mean"]) / deviation
    assert standardised["normalised"] == pytest.approx(normalised)
    assert output["output"] == pytest.approx(output["gamma"] * normalised + output["beta"])
    inner = backward["h"] - backward["mean"] - normalised * backward["product"]
    assert backward["leaving"] == pytest.approx(inner / deviation)


def test_every_place_in_a_formula_has_its_number(told: Any) -> None:
    for step in told()["steps"]:
        for formula in step["formulas"]:
            assert {name for name, _ in PLACES.findall(formula["form"])} <= set(formula["values"])


def test_the_followed_value_is_marked_in_every_table_of_values(told: Any) -> None:
    tables = [
        table
        for step in told()["steps"][:5]
        for table in step["tables"]
        if table["rows"][0]["image"] is not None
    ]
    places = {
        (row["image"], row["marked"])
        for table in tables
        for row in table["rows"]
        if row["marked"] is not None
    }
    assert len(tables) == 5
    assert len(places) == 1


def test_every_text_is_there_in_both_languages(told: Any) -> None:
    for each in texts(told()):
        assert bool(each["en"]) == bool(each["zh"])
        assert not CHINESE.search(each["en"])
        if re.search("[a-z]{4}", re.sub("`[^`]*`", "", each["en"])):
            assert CHINESE.search(each["zh"]), each


def test_batch_norm_tells_its_running_statistics_and_checks_itself(told: Any) -> None:
    forms = [f["form"] for step in told()["steps"] for f in step["formulas"]]
    assert any(form.startswith("μ′") for form in forms)
    assert sum(form.startswith("max |") for form in forms) == 2
    assert "gradient of γ" in str(told()["steps"])


def test_another_headline_norm_is_shown_on_batch_norms_formula_and_says_so(told: Any) -> None:
    lesson = told("group")
    assert "The layer is a `GroupNorm`" in lesson["lead"][1]["en"]
    assert "该层是 `GroupNorm`" in lesson["lead"][1]["zh"]
    forms = [f["form"] for step in lesson["steps"] for f in step["formulas"]]
    assert not any(form.startswith(("μ′", "max |")) for form in forms)
    # Its γ has another gradient than batch norm's would have.
    assert "gradient of γ" not in str(lesson["steps"])
    panels = [p["norm"] for step in lesson["steps"] if step["maps"] for p in step["maps"]["panels"]]
    assert panels == ["batch", "layer", "instance", "group"]


def test_weights_that_a_layer_does_not_have_are_not_told_as_learnt() -> None:
    numbers = {"gamma": 1.0, "beta": 0.0, "positions": [[0, 0]], "shape": [1, 1, 1, 1]}
    values = {stage: [[0.5]] for stage in ("input", "normalised", "output", "arriving", "leaving")}
    flat = {"low": 0.0, "high": 1.0, "shares": [1.0]}
    histograms = dict.fromkeys(("input", "normalised", "output"), flat)
    found = {**numbers, "values": values, "histograms": histograms, "is_batch": False}
    for affine in (True, False):
        told = _output(Scene("layer", {**found, "affine": affine}))["said"][0]
        assert ("has learnt" in told["en"]) is affine
        assert ("学到的值" in told["zh"]) is affine


def test_a_network_without_maps_says_so_and_shows_what_there_is(told: Any) -> None:
    lesson = told(model="mlp")
    assert "No norm of this network follows a convolution" in lesson["lead"][0]["en"]
    assert "没有接在卷积之后的归一化层" in lesson["lead"][0]["zh"]
    assert steps(lesson) == ["along-training"]
    assert lesson["images"] == []


def test_a_network_that_did_not_train_says_so(told: Any) -> None:
    assert "did not train to its end" in told(failing="batch")["lead"][0]["en"]


def test_one_that_diverged_says_so(told: Any) -> None:
    assert "did not train to its end" in told(norm="batch", rate=1e30)["lead"][0]["en"]
