"""A model's layers before and after a surgery, in turns."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

import normkit as nk
from normkit.surgery.journal import Journal
from normkit.surgery.states import put_, state_of

Differences = Callable[[], list[str]]


def change(layer: nn.Module, journal: Journal) -> None:
    journal.set(layer, "bias", None)
    journal.set(layer, "norm", nn.BatchNorm1d(4))
    journal.set(layer, "out_features", 7)
    journal.become(layer, nn.Identity)


def test_layers_are_had_in_turns(remember: Callable[..., Differences]) -> None:
    layer = nn.Linear(3, 4)
    at_first, before = remember(layer, generators=False), state_of([layer])
    change(layer, Journal())
    at_last, after = remember(layer, generators=False), state_of([layer])
    for _ in range(2):
        put_(before)
        assert at_first() == []
        assert at_last() != []
        put_(after)
        assert at_last() == []


def test_a_journal_can_undo_what_was_put(remember: Callable[..., Differences]) -> None:
    layer = nn.Linear(3, 4)
    differences, before = remember(layer, generators=False), state_of([layer])
    journal = Journal()
    change(layer, journal)
    after = state_of([layer])
    put_(before)
    put_(after)
    journal.undo()
    assert differences() == []


def test_tensors_are_not_copied() -> None:
    layer = nn.Linear(3, 4)
    state, weight = state_of([layer]), layer.weight
    with torch.no_grad():
        weight.fill_(3)
    put_(state)
    assert layer.weight is weight
    assert torch.equal(weight, torch.full((4, 3), 3.0))


def test_hooks_that_come_in_between_stay() -> None:
    layer, called = nn.Linear(3, 4), list[int]()
    state = state_of([layer])
    handle = layer.register_forward_hook(lambda *_: called.append(1))
    put_(state)
    layer(torch.randn(2, 3))
    handle.remove()
    layer(torch.randn(2, 3))
    assert called == [1]


def test_what_a_surgery_put_in_is_gone_and_back() -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, 1), nn.ReLU())
    x = torch.randn(4, 2, 3, 3)
    wanted, before = model(x), state_of([model[0]])
    nk.insert_(model, "instance", x)
    normalised, after = model(x), state_of([model[0]])
    put_(before)
    assert torch.equal(model(x), wanted)
    put_(after)
    assert torch.equal(model(x), normalised)
