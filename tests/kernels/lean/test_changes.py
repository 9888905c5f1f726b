"""What changes in place is rebuilt as it was, or raises where it cannot be."""

from __future__ import annotations

import pytest
import torch
from tests.kernels.lean.networks import IMAGES, Network, assert_same, consumed
from torch import Tensor, nn

import normkit as nk


def test_an_output_changed_before_it_is_consumed_is_kept_as_it_is(way: str) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.conv = nk.nn.BatchNorm2d(3), nn.Conv2d(3, 3, 3)

        def forward(self, x: Tensor) -> Tensor:
            y = self.norm(x)
            y[:, :1].mul_(2.0)
            result: Tensor = self.conv(torch.relu_(y))
            return result

    assert_same(Model(), IMAGES)


def test_one_changed_afterwards_is_rebuilt_as_it_was(way: str) -> None:
    layer, weight = nk.nn.BatchNorm2d(3), torch.randn(2, 3, 12, 12, requires_grad=True)
    with nk.lean():
        y = layer(IMAGES)
        before = y.detach().clone()
        loss = consumed(weight, y)
        y.add_(1)
    loss.backward()
    assert weight.grad is not None
    assert torch.equal(weight.grad, before)


@pytest.mark.parametrize("changed", ["input", "residual", "weight", "bias"])
def test_a_source_changed_since_raises_and_is_named(changed: str, way: str) -> None:
    layer = nk.nn.BatchNorm2d(3, act="relu")
    sources = {
        "input": IMAGES.clone(),
        "residual": torch.randn(IMAGES.shape),
        "weight": layer.weight,
        "bias": layer.bias,
    }
    weight = torch.ones(2, 3, 12, 12, requires_grad=True)
    with nk.lean():
        y = layer(sources["input"], residual=sources["residual"])
        loss = consumed(weight, y)
    with torch.no_grad():
        sources[changed].add_(1)
    with pytest.raises(RuntimeError, match=rf"from its {changed}, a float32 tensor .* version"):
        torch.autograd.grad(loss, weight)


def test_running_statistics_moved_since_raise_in_evaluation(way: str) -> None:
    layer, weight = nk.nn.BatchNorm2d(3).eval(), torch.ones(2, 3, 12, 12, requires_grad=True)
    with nk.lean():
        loss = consumed(weight, layer(IMAGES))
    layer.train()(IMAGES)
    with pytest.raises(RuntimeError, match="from its mean"):
        loss.backward()


def test_a_step_of_the_optimizer_before_the_backward_pass_raises(way: str) -> None:
    model = Network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with nk.lean():
        first, second = model(IMAGES).sum(), model(IMAGES).sum()
    first.backward()
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        second.backward()


def test_other_tensors_are_watched_as_outside() -> None:
    x = torch.randn(3, requires_grad=True)
    y = x * 1
    with nk.lean():
        loss = y.square().sum()
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
