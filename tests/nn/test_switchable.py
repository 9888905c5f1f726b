"""Switchable normalization: the mixture, and its limits."""

from __future__ import annotations

import pytest
import torch

from normkit import functional as F
from normkit import nn


def test_the_three_start_with_equal_shares() -> None:
    layer = nn.SwitchableNorm2d(4)
    for weights in (layer.mean_weight, layer.var_weight):
        torch.testing.assert_close(weights.softmax(0), torch.full((3,), 1 / 3))


def test_means_and_variances_are_mixed_apart() -> None:
    layer = nn.SwitchableNorm2d(4)
    x = torch.randn(8, 4, 5, 5) * 3 + 2
    with torch.no_grad():
        layer.mean_weight.copy_(torch.tensor([50.0, 0.0, 0.0]))
        layer.var_weight.copy_(torch.tensor([0.0, 0.0, 50.0]))
    expected = (x - x.mean((2, 3), keepdim=True)) / (
        x.var((0, 2, 3), correction=0, keepdim=True) + 1e-5
    ).sqrt()
    torch.testing.assert_close(layer(x), expected)


def test_the_mixture_is_trained() -> None:
    layer = nn.SwitchableNorm2d(4)
    y = layer(torch.randn(8, 4, 5, 5) + torch.randn(8, 4, 1, 1))
    y.backward(torch.randn_like(y))
    assert layer.mean_weight.grad.abs().max() > 0
    assert layer.var_weight.grad.abs().max() > 0


def test_evaluation_takes_the_running_statistics_for_the_batch() -> None:
    layer = nn.SwitchableNorm2d(4, momentum=1.0)
    with torch.no_grad():
        layer.mean_weight[2] = layer.var_weight[2] = 50.0
    x = torch.randn(8, 4, 5, 5) * 3 + 2
    layer(x)
    expected = F.batch_norm(x, layer.running_mean, layer.running_var)
    torch.testing.assert_close(layer.eval()(x), expected)
    assert torch.equal(layer(x[:1]), layer(x)[:1])


def test_a_map_of_one_position_and_a_mixture_of_two_are_refused() -> None:
    with pytest.raises(ValueError, match="map of one position"):
        nn.SwitchableNorm2d(4)(torch.randn(8, 4, 1, 1))
    with pytest.raises(ValueError, match=r"mean_weight must hold three values.*\(2,\)"):
        F.switchable_norm(
            torch.randn(8, 4, 3), torch.zeros(2), torch.zeros(3), None, None, training=True
        )
