"""Bytes held are those of every storage that outlives the forward pass, counted once."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from networks import LAYERS
from networks.held import bytes_held
from networks.training import LAYOUTS, Training, batches, network
from normkit.probes.cost import bytes_for_backward

LOSS = 4
"""Bytes of the loss, which is held but not by autograd."""


def test_what_is_kept_is_counted_and_what_is_freed_is_not() -> None:
    model = nn.Sequential(nn.Linear(16, 32), nn.Tanh(), nn.Linear(32, 8), nn.Tanh())
    x = torch.randn(64, 16)
    # Each tanh keeps its output, which the next layer keeps too; outputs of linear layers go.
    assert bytes_held(lambda: model(x).sum()) == 64 * (32 + 8) * 4 + LOSS


def test_an_activation_in_place_keeps_nothing_more() -> None:
    x = torch.randn(8, 4, requires_grad=True)
    assert bytes_held(lambda: (x + 1).relu_().sum()) == 8 * 4 * 4 + LOSS


def test_a_storage_that_is_kept_twice_counts_once() -> None:
    x = torch.randn(8, 4, requires_grad=True)

    def twice() -> Tensor:
        y = x + 1
        return (y.square() + y.t().square().t()).sum()

    assert bytes_held(twice) == 8 * 4 * 4 + LOSS


def test_what_hooks_hold_in_place_of_a_tensor_is_what_counts() -> None:
    x = torch.randn(8, 4, requires_grad=True)

    def halved() -> Tensor:
        with torch.autograd.graph.saved_tensors_hooks(Tensor.half, Tensor.float):
            return x.exp().square().sum()

    # Both exp and square keep the output of exp, each through a pack of its own.
    assert bytes_held(halved) == 2 * 8 * 4 * 2 + LOSS


def test_nothing_is_left_from_before() -> None:
    x = torch.randn(8, 4, requires_grad=True)
    cycle: list[object] = [x.exp()]
    cycle.append(cycle)
    del cycle  # Only the collector frees it.
    assert bytes_held(lambda: x.exp().sum()) == 8 * 4 * 4 + LOSS


@pytest.mark.parametrize("layout", LAYOUTS)
def test_agrees_with_what_autograd_saves_in_a_network(layout: str) -> None:
    data = batches(1, 2, 32, layout)
    training = Training(network("mobilenet_v2", "pytorch", layout), data)
    saved = bytes_for_backward(training.model, *data[0])
    assert bytes_held(training.forward) == saved + LOSS


def test_normkits_layers_hold_about_as_much_as_pytorchs_at_most() -> None:
    data = batches(1, 2, 32, "contiguous")
    pytorch, normkit = (
        bytes_held(Training(network("mobilenet_v2", layers, "contiguous"), data).forward)
        for layers in LAYERS
    )
    assert normkit <= 1.01 * pytorch
