"""What was changed, and how it is taken back."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from normkit.surgery.journal import Journal


@pytest.fixture
def model() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))


def test_attributes_of_every_kind_are_set_and_given_back(model: nn.Module) -> None:
    conv, norm = model[0], model[1]
    weight, mean = conv.weight, norm.running_mean
    journal = Journal()
    journal.set(conv, "weight", nn.Parameter(torch.zeros(1)))
    journal.set(conv, "bias", None)
    journal.set(norm, "running_mean", torch.zeros(1))
    journal.set(norm, "eps", 3.0)
    journal.set(norm, "fresh", "new")
    journal.set(model, "1", nn.Identity())
    assert conv.weight.shape == (1,)
    assert conv.bias is None
    assert isinstance(model[1], nn.Identity)
    assert norm.fresh == "new"
    journal.undo()
    assert conv.weight is weight
    assert conv.bias is not None
    assert norm.running_mean is mean
    assert norm.eps == 1e-5
    assert model[1] is norm
    assert not hasattr(norm, "fresh")


def test_a_child_and_a_parameter_that_were_not_there_are_gone_again(model: nn.Module) -> None:
    before = list(model.state_dict()), [name for name, _ in model.named_modules()]
    journal = Journal()
    journal.set(model[0], "norm", nn.BatchNorm2d(4))
    journal.set(model[0], "scale", nn.Parameter(torch.ones(1)))
    assert list(model.state_dict()) != before[0]
    journal.undo()
    assert (list(model.state_dict()), [name for name, _ in model.named_modules()]) == before


def test_the_order_of_the_state_dict_stays(model: nn.Module) -> None:
    before = list(model.state_dict())
    journal = Journal()
    for name in ("bias", "weight"):
        journal.set(model[0], name, nn.Parameter(torch.zeros(1)))
    assert list(model.state_dict()) == before
    journal.undo()
    assert list(model.state_dict()) == before


def test_changes_are_taken_back_last_one_first(model: nn.Module) -> None:
    journal, told = Journal(), list[int]()
    journal.call(lambda: told.append(1))
    journal.set(model[1], "eps", 1.0)
    journal.set(model[1], "eps", 2.0)
    journal.call(lambda: told.append(2))
    journal.become(model[1], nn.BatchNorm1d)
    journal.become(model[1], nn.BatchNorm3d)
    journal.undo()
    assert told == [2, 1]
    assert model[1].eps == 1e-5
    assert type(model[1]) is nn.BatchNorm2d


def test_undoing_again_does_nothing(model: nn.Module) -> None:
    journal = Journal()
    journal.set(model[1], "eps", 1.0)
    journal.undo()
    model[1].eps = 4.0
    journal.undo()
    assert model[1].eps == 4.0


def test_values_are_given_back_in_place(model: nn.Module) -> None:
    before, tensors = copy.deepcopy(model.state_dict()), list(model.parameters())
    journal = Journal()
    journal.keep_values([*model.parameters(), *model.buffers()])
    with torch.no_grad():
        for tensor in tensors:
            tensor.fill_(3)
        model[1].num_batches_tracked += 1
    journal.undo()
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    assert all(one is two for one, two in zip(model.parameters(), tensors, strict=True))
