"""What is found of a network before anything is trained, and what a plan leaves out for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from normkit.data import Dataset
from normkit.models import MODELS
from normkit.study.engine import Failure, Task
from normkit.study.plan import ADJUSTABLE, Plan
from normkit.study.record import Record
from normkit.study.spec import TrialSpec
from normkit.study.subject import Subject, described, examine, named, suited
from normkit.user_code import UserCodeError

Trial = Callable[..., TrialSpec]


class Looks:
    """In place of an engine: answers every look by its norm."""

    def __init__(self, answers: dict[str, dict[str, Any] | str]) -> None:
        self.answers = answers
        self.asked: list[Task] = []

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Record | Failure]]:
        self.asked += tasks
        for task in reversed(tasks):
            answer = self.answers[task.spec.norm]
            if isinstance(answer, str):
                yield task, Failure(task, answer)
            else:
                yield task, Record(task.spec, "ok", [], {}, answer)


FINE = {"asked": 3, "by": "factory", "norms": 3, "parameters": 100}


@pytest.fixture
def look(digits: Dataset, trial: Trial) -> Callable[..., Subject]:
    """Examines a user's network that answers so, with batch as the headline norm."""

    def find(answers: dict[str, Any], seconds: float = 5) -> Subject:
        norms = [norm for norm in answers if norm != "none"] or ["batch"]
        engine: Any = Looks(answers)
        prototype = trial(norm="none", model="nets.py:make")
        subject = examine(prototype, norms, "batch", digits, engine, seconds)
        assert {task.seconds for task in engine.asked} == {seconds}
        assert {task.spec.kind for task in engine.asked} == {"check"}
        return subject

    return find


def test_a_users_network_is_looked_at_with_every_norm(look: Callable[..., Subject]) -> None:
    subject = look({"none": FINE, "batch": FINE, "group": FINE})
    assert subject == Subject(("none", "batch", "group"), (), 100, frozenset(), places=3)
    assert not subject.given


def test_a_norm_it_cannot_take_is_left_out(look: Callable[..., Subject]) -> None:
    subject = look({"none": FINE, "instance": "too flat", "batch": FINE})
    assert subject.norms == ("none", "batch")
    assert [told["en"] for told in subject.left_out] == ["`instance` was left out: too flat"]


@pytest.mark.parametrize(
    ("answers", "message"),
    [({"none": "it raised"}, "^it raised$"), ({"none": FINE, "batch": "no"}, "^with batch: no$")],
)
def test_what_can_never_work_is_an_error(
    look: Callable[..., Subject], answers: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserCodeError, match=message):
        look(answers)


@pytest.mark.parametrize(("norms", "has"), [(2, True), (0, False)])
def test_one_that_takes_no_norm_is_given(
    look: Callable[..., Subject], norms: int, has: bool
) -> None:
    subject = look({"none": {**FINE, "asked": None, "norms": norms}})
    assert subject.given
    assert subject.has_norms is has


def test_a_built_in_network_needs_no_worker(digits: Dataset, trial: Trial) -> None:
    nobody: Any = None
    subject = examine(trial(norm="none"), ["batch"], "batch", digits, nobody, 1)
    assert (subject.norms, subject.adjustable) == (("none", "batch"), ADJUSTABLE)
    assert subject.parameters > 0


def test_a_plan_of_a_built_in_network_stays(full_plan: Plan) -> None:
    assert suited(full_plan, Subject(full_plan.norms, (), 1)) == full_plan


def test_a_plan_of_a_users_network_tells_what_cannot_be_set(full_plan: Plan) -> None:
    plan = suited(full_plan, Subject(full_plan.norms, (), 1, frozenset()))
    assert (plan.depths, plan.penalties, plan.claims) == ((None,), ("l1", "l2"), full_plan.claims)
    assert [told["en"].split()[0] for told in plan.dropped] == ["`gradients`", "`overfitting`"]
    assert all(told["zh"] for told in plan.dropped)


@pytest.mark.parametrize("has_norms", [True, False])
def test_a_plan_of_a_network_as_it_is_judges_what_compares_with_nothing(
    full_plan: Plan, has_norms: bool
) -> None:
    plan = suited(full_plan, Subject(("given",), (), 1, frozenset(), has_norms))
    assert plan.claims == (("standardise",) if has_norms else ())
    assert plan.headline == "given"
    told = " ".join(text["en"] for text in plan.dropped)
    for name in full_plan.claims:
        assert (f"`{name}`" in told) == (name not in plan.claims)


@pytest.mark.parametrize("by", ["swap", "insert"])
def test_one_whose_norms_are_put_in_by_surgery_tells_so(
    look: Callable[..., Subject], by: str
) -> None:
    answer = {**FINE, "by": by}
    subject = look({"none": answer, "batch": answer})
    assert (subject.by, subject.places, subject.given) == (by, 3, False)
    told = described("nets.py:make", subject)
    expected = {"swap": "3 norms that it has were swapped", "insert": "inserted after 3 of"}
    assert expected[by] in told["en"]
    assert told["en"].endswith("; 3 others, over other axes, are in all arms alike")
    assert told["zh"].count("3") == 2


def test_every_network_has_words_in_both_languages(full_plan: Plan) -> None:
    subject = Subject(full_plan.norms, (), 1)
    for name in (*MODELS, "nets/mine.py:make"):
        assert all(described(name, subject).values())
    assert (named("plain"), named("nets/mine.py:make")) == ("plain", "mine.py:make")
