"""A judge asks for what it needs as if it were there; what is not, it asks for in one request."""

from __future__ import annotations

from functools import partial

import pytest

from normkit.study.context import NeedTrials, together
from normkit.study.engine import Task
from normkit.study.spec import TrialSpec

SPEC = TrialSpec(data="d", model="plain", norm="none", seed=0, rate=0.1, steps=10, batch=2)


def ask(seed: int) -> int:
    raise NeedTrials([Task(SPEC.but(seed=seed))])


def test_parts_that_have_all_they_need_give_their_answers():
    assert together([lambda: 1, lambda: 2]) == [1, 2]


def test_what_several_parts_need_is_one_request():
    with pytest.raises(NeedTrials) as need:
        together([partial(ask, 1), lambda: 0, partial(ask, 2)])
    assert [task.spec.seed for task in need.value.tasks] == [1, 2]


def test_an_error_of_a_part_is_not_held_back():
    with pytest.raises(ZeroDivisionError):
        together([lambda: 1 / 0])
