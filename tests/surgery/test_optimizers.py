"""Optimizers hold, after a surgery, what the model holds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import Parameter
from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import StepLR

import normkit as nk
from normkit.surgery.journal import Journal
from normkit.surgery.optimizers import as_list, mend_

Differences = Callable[[], list[str]]


def parameters(count: int) -> list[Parameter]:
    return [Parameter(torch.randn(3)) for _ in range(count)]


def step(optimizer: Optimizer) -> None:
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.randn_like(parameter)
    optimizer.step()


def test_a_new_parameter_takes_the_place_of_the_old_one_in_its_group() -> None:
    a, b, c, d, new = parameters(5)
    optimizer = SGD([{"params": [a, b]}, {"params": [c, d], "lr": 0.2}], lr=0.1)
    mend_(optimizer, {c: new}, Journal())
    assert optimizer.param_groups[0]["params"] == [a, b]
    assert [p is q for p, q in zip(optimizer.param_groups[1]["params"], [new, d], strict=True)]
    assert optimizer.param_groups[1]["params"][0] is new


def test_one_that_is_gone_leaves_and_is_forgotten() -> None:
    a, b = parameters(2)
    optimizer = Adam([a, b])
    step(optimizer)
    mend_(optimizer, {a: None}, Journal())
    (kept,) = optimizer.param_groups[0]["params"]
    assert kept is b
    assert set(optimizer.state) == {b}


def test_a_replaced_one_is_forgotten_and_the_momentum_of_others_kept() -> None:
    a, b, new = parameters(3)
    optimizer = SGD([a, b], lr=0.1, momentum=0.9)
    step(optimizer)
    momentum = optimizer.state[b]["momentum_buffer"].clone()
    mend_(optimizer, {a: new}, Journal())
    assert set(optimizer.state) == {b}
    assert torch.equal(optimizer.state[b]["momentum_buffer"], momentum)
    step(optimizer)
    assert set(optimizer.state) == {b, new}


def test_several_optimizers_are_mended_each_in_its_own_groups() -> None:
    a, b, new, beside = parameters(4)
    first, second, third = SGD([a], lr=0.1), Adam([a, b]), SGD([b], lr=0.1)
    mend_([first, second, third], {a: new}, Journal(), added={beside: a})
    held = [[id(p) for p in o.param_groups[0]["params"]] for o in (first, second, third)]
    assert held == [[id(new), id(beside)], [id(new), id(b), id(beside)], [id(b)]]


def test_an_added_one_joins_the_group_of_the_one_it_goes_with() -> None:
    a, b, new = parameters(3)
    optimizer = SGD([{"params": [a]}, {"params": [b], "lr": 0.2}], lr=0.1)
    mend_(optimizer, {}, Journal(), added={new: a})
    assert [len(group["params"]) for group in optimizer.param_groups] == [2, 1]
    assert optimizer.param_groups[0]["params"][1] is new


def test_two_that_become_one_are_held_once() -> None:
    a, b, new = parameters(3)
    optimizer = SGD([a, b], lr=0.1)
    mend_(optimizer, {a: new, b: new}, Journal())
    assert len(optimizer.param_groups[0]["params"]) == 1


def test_what_is_to_be_forgotten_stays_in_its_group() -> None:
    a, b = parameters(2)
    optimizer = Adam([a, b])
    step(optimizer)
    mend_(optimizer, {}, Journal(), forget=iter([a]))
    assert set(optimizer.state) == {b}
    assert len(optimizer.param_groups[0]["params"]) == 2


def test_the_list_of_a_group_stays_the_same_list() -> None:
    a, new = parameters(2)
    optimizer = SGD([a], lr=0.1)
    held = optimizer.param_groups[0]["params"]
    mend_(optimizer, {a: new}, Journal())
    assert optimizer.param_groups[0]["params"] is held
    assert held[0] is new


def test_a_scheduler_goes_on() -> None:
    a, new = parameters(2)
    optimizer = SGD([a], lr=0.8)
    scheduler = StepLR(optimizer, 1, gamma=0.5)
    mend_(optimizer, {a: new}, Journal())
    step(optimizer)
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] == 0.4


@pytest.mark.parametrize("make", [lambda p: SGD(p, lr=0.1, momentum=0.9), Adam])
def test_it_is_undone_with_what_was_remembered(
    make: Callable[[list[Tensor]], Optimizer], remember: Callable[..., Differences]
) -> None:
    held = parameters(3)
    a, b, _ = held
    optimizer = make(list(held))
    step(optimizer)
    model = nn.ParameterList(held)
    differences = remember(model, optimizer)
    journal = Journal()
    new, beside = parameters(2)
    mend_(optimizer, {a: new}, journal, added={beside: b}, forget=[b])
    mend_(optimizer, {new: None}, journal)
    assert differences() != []
    journal.undo()
    assert [each for each in differences() if "random" not in each] == []


def test_one_is_as_good_as_a_list_of_one() -> None:
    optimizer = SGD(parameters(1), lr=0.1)
    assert as_list(optimizer) == as_list([optimizer]) == as_list(iter([optimizer])) == [optimizer]
    assert as_list(()) == []


def test_something_that_is_no_optimizer_is_refused() -> None:
    with pytest.raises(TypeError, match=r"one torch\.optim\.Optimizer or several; got a Linear"):
        as_list([SGD(parameters(1), lr=0.1), nn.Linear(1, 1)])  # type: ignore[list-item]


def test_if_the_second_is_none_the_first_is_not_changed() -> None:
    a, new = parameters(2)
    optimizer = SGD([a], lr=0.1)
    with pytest.raises(TypeError):
        mend_([optimizer, "no optimizer"], {a: new}, Journal())  # type: ignore[list-item]
    assert optimizer.param_groups[0]["params"][0] is a


def test_lbfgs_is_refused_with_the_fix() -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, 1), nn.ReLU())
    optimizer = torch.optim.LBFGS(model.parameters())
    with pytest.raises(TypeError, match=r"LBFGS keeps .* Make it anew after the surgery"):
        nk.insert_(model, "batch", torch.randn(4, 2, 3, 3), optimizers=optimizer)
    assert type(model[0]) is nn.Conv2d
