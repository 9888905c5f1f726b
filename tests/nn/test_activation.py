"""The activation that layers carry."""

from __future__ import annotations

import torch

from normkit import nn


def test_a_function_is_applied_and_adds_nothing_to_the_state() -> None:
    layer = nn.GroupNorm(1, 4, act=torch.sin)
    x = torch.randn(2, 4, 3)
    assert torch.equal(layer(x), torch.sin(nn.GroupNorm(1, 4)(x)))
    assert list(layer.state_dict()) == ["weight", "bias"]


def test_a_module_becomes_a_child() -> None:
    layer = nn.BatchNorm2d(4, act=torch.nn.LeakyReLU(0.2))
    assert [name for name, _ in layer.named_children()] == ["act"]
    assert "LeakyReLU(negative_slope=0.2)" in repr(layer)


def test_an_in_place_activation_gives_the_same_gradients() -> None:
    x = torch.randn(4, 4, 3, 3, requires_grad=True)
    upstream = torch.randn(4, 4, 3, 3)
    gradients = [
        torch.autograd.grad(nn.BatchNorm2d(4, act=torch.nn.ReLU(inplace))(x), x, upstream)[0]
        for inplace in (False, True)
    ]
    assert torch.equal(*gradients)
