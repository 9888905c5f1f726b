"""Undone, a model holds what it held, wherever it is and in whatever precision by then."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

import normkit as nk
from normkit.surgery import Surgery

IMAGES = torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(0))


def network() -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
    )
    for _ in range(3):
        model(torch.randn(8, 3, 6, 6))
    return model.eval()


VERBS: dict[str, Callable[[nn.Module], Surgery]] = {
    "fold": lambda model: nk.fold_(model, IMAGES),
    "swap": lambda model: nk.swap_(model, "group", data=[IMAGES]),
    "remove": lambda model: nk.remove_(model, IMAGES),
    "recalibrate": lambda model: nk.recalibrate_(model, [IMAGES]),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_model_that_was_brought_to_another_precision_is_in_that_one(verb: str) -> None:
    model, wanted = network(), network().double()
    surgery = VERBS[verb](model)
    model.double()
    surgery.undo()
    state = model.state_dict()
    assert list(state) == list(wanted.state_dict())
    for name, tensor in wanted.state_dict().items():
        assert state[name].dtype == tensor.dtype
        torch.testing.assert_close(state[name], tensor, rtol=0, atol=0)
    x = IMAGES.double()
    torch.testing.assert_close(model(x), wanted(x), rtol=0, atol=0)


@pytest.mark.parametrize("verb", VERBS)
def test_what_was_trained_in_the_meantime_is_taken_back(verb: str) -> None:
    model, wanted = network(), network()
    surgery = VERBS[verb](model)
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.add_(1)
    surgery.undo()
    for name, tensor in wanted.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor)


def test_a_tensor_that_layers_share_stays_shared() -> None:
    model = network()
    model[4].weight = model[1].weight
    surgery = nk.swap_(model, "group", data=[IMAGES])
    model.double()
    surgery.undo()
    assert model[4].weight is model[1].weight
    assert model[1].weight.dtype == torch.float64


def test_a_layer_that_alone_was_brought_to_another_precision_stays_alone() -> None:
    model = network()
    surgery = nk.swap_(model, "group", data=[IMAGES])
    model[3].double()
    surgery.undo()
    assert model[3].weight.dtype == torch.float64
    assert {model[index].weight.dtype for index in (0, 1, 4)} == {torch.float32}
    assert {model[index].running_mean.dtype for index in (1, 4)} == {torch.float32}


def test_what_was_replaced_since_is_told_and_all_else_given_back() -> None:
    model, wanted = network(), network()
    surgery = nk.swap_(model, "group", data=[IMAGES])
    model[3].weight = nn.Parameter(torch.zeros(7, 4, 1, 1))
    with torch.no_grad():
        model[0].weight.add_(1)
    with pytest.raises(RuntimeError, match=r"cannot be given what they held: Conv2d\.weight\. All"):
        surgery.undo()
    assert torch.equal(model[0].weight, wanted[0].weight)
    assert type(model[1]) is nn.BatchNorm2d
    with pytest.raises(RuntimeError, match="was undone already"):
        surgery.undo()


def test_tensors_that_were_tied_hold_both_what_they_held() -> None:
    model, wanted = network(), network()
    model[4].weight = model[1].weight
    surgery = nk.recalibrate_(model, [IMAGES])
    model[4].weight = nn.Parameter(model[4].weight.detach().clone() + 3)
    with torch.no_grad():
        model[1].weight.add_(1)
    surgery.undo()
    assert torch.equal(model[1].weight, wanted[1].weight)
    assert torch.equal(model[4].weight, wanted[1].weight)
