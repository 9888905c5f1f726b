"""What ties two layers that are one computation."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import normkit as nk
from normkit.surgery.seam import Folded, Marked


@pytest.fixture
def pair() -> nn.Sequential:
    model = nn.Sequential(nn.Conv2d(3, 6, 1), nn.BatchNorm2d(6)).eval()
    nn.init.uniform_(model[1].bias, -1, 1)
    nk.fold_(model, torch.randn(2, 3, 5, 4))
    return model


@pytest.fixture
def marked(pair: nn.Sequential) -> Tensor:
    y: Tensor = pair[0](torch.randn(2, 3, 5, 4))
    return y


def test_what_the_first_layer_returns_is_for_the_second(
    pair: nn.Sequential, marked: Tensor
) -> None:
    assert type(marked) is Marked
    assert type(pair[1](marked)) is Tensor


TOLD: list[Callable[[Tensor], object]] = [
    lambda y: y.shape,
    lambda y: y.size(1),
    lambda y: y.dim(),
    lambda y: y.ndim,
    lambda y: y.dtype,
    lambda y: y.device,
    lambda y: y.requires_grad,
    lambda y: y.stride(),
    lambda y: y.is_contiguous(),
    lambda y: y.numel(),
]


@pytest.mark.parametrize("told", TOLD)
def test_what_is_like_can_be_asked(
    told: Callable[[Tensor], object], marked: Tensor, pair: nn.Sequential
) -> None:
    assert told(marked) == told(pair[1](marked))


READ: dict[str, Callable[[Tensor], object]] = {
    "a sum": lambda y: y + 1,
    "in place": lambda y: y.add_(1),
    "an activation": torch.relu,
    "values": lambda y: y.data,
    "transposed": lambda y: y.mT,
    "a part": lambda y: y[0],
    "a layer": nn.Conv2d(6, 1, 1),
    "a list of tensors": lambda y: torch.cat([torch.ones(2, 1, 5, 4), y], 1),
    "detached": lambda y: y.detach(),
    "text": repr,
    "numbers": lambda y: y.tolist(),
    "another precision": lambda y: y.double(),
    "another layout": lambda y: y.contiguous(memory_format=torch.channels_last),
    "dropout": lambda y: nn.functional.dropout(y, 0.5, training=True),
    "assigned": lambda y: y.__setitem__(0, 1),
    "into another": lambda y: torch.zeros(2, 6, 5, 4).copy_(y),
    "shaped alike": lambda y: y.view_as(torch.zeros(2, 6, 20)),
    "an operator": lambda y: torch.ops.aten.relu.default(y),
}


@pytest.mark.parametrize("read", READ.values(), ids=READ)
def test_who_else_reads_it_gets_an_error(read: Callable[[Tensor], object], marked: Tensor) -> None:
    with pytest.raises(RuntimeError, match="something else reads what is between them"):
        read(marked)


def test_its_shape_may_be_another_tensors_model(marked: Tensor) -> None:
    assert torch.zeros(240).view_as(marked).shape == marked.shape
    assert torch.zeros(240).reshape_as(marked).shape == marked.shape
    assert torch.zeros(1).expand_as(marked).shape == marked.shape


def test_what_hands_it_on_keeps_the_mark(pair: nn.Sequential, marked: Tensor) -> None:
    for hand_on in (nn.Identity(), nn.Dropout().eval(), Tensor.contiguous, Tensor.float):
        assert hand_on(marked) is marked
    assert type(pair[1](marked)) is Tensor


def test_it_may_be_reshaped_and_back_but_not_come_in_another_shape(
    pair: nn.Sequential, marked: Tensor
) -> None:
    y = pair[1](marked.flatten(1).reshape(12, -1).view(2, 6, 5, 4))
    torch.testing.assert_close(y, pair[1](marked), rtol=0, atol=0)
    with pytest.raises(RuntimeError, match="what is between them is reshaped from"):
        pair[1](marked.view(6, 2, 5, 4))


def test_the_second_layer_takes_nothing_else(pair: nn.Sequential, marked: Tensor) -> None:
    with pytest.raises(RuntimeError, match="'1' was folded into '0', and now the two are not"):
        pair[1](torch.randn(2, 6, 5, 4))
    other = nn.Sequential(nn.Conv2d(3, 6, 1), nn.BatchNorm2d(6)).eval()
    nk.fold_(other, torch.randn(2, 3, 5, 4))
    with pytest.raises(RuntimeError, match="is given what another layer returned"):
        other[1](marked)


def test_the_error_says_how_to_leave_the_norm_out(pair: nn.Sequential) -> None:
    with pytest.raises(RuntimeError, match=r"where=lambda name, layer: name != '1'\.$"):
        pair[1](torch.randn(2, 6, 5, 4))


def test_a_gradient_goes_through_the_mark(pair: nn.Sequential) -> None:
    x = torch.randn(2, 3, 5, 4, requires_grad=True)
    upstream = torch.randn(2, 6, 5, 4)
    pair(x).backward(upstream)
    expected = torch.nn.functional.conv_transpose2d(upstream, pair[0].weight)
    torch.testing.assert_close(x.grad, expected)
    torch.testing.assert_close(pair[0].bias.grad, upstream.sum((0, 2, 3)))


def test_layers_of_a_pair_are_called_what_they_were(pair: nn.Sequential) -> None:
    assert isinstance(pair[0], nn.Conv2d)
    assert isinstance(pair[0], Folded)
    assert [type(layer).__name__ for layer in pair] == ["FoldedConv2d", "FoldedIdentity"]


@pytest.mark.filterwarnings("ignore:`torch.jit.trace")
def test_a_traced_graph_holds_one_flow_and_is_not_checked(pair: nn.Sequential) -> None:
    x = torch.randn(2, 3, 5, 4)
    traced = torch.jit.trace(pair, x)
    torch.testing.assert_close(traced(x), pair(x))
