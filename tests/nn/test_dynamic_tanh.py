"""Dynamic tanh layer."""

from __future__ import annotations

import pytest
import torch

import normkit as nk
from normkit import nn
from normkit.functional import dynamic_tanh


def test_one_alpha_of_one_half_is_learned_for_all_channels() -> None:
    layer, x = nn.DynamicTanh(8), torch.randn(3, 8, 4, 5)
    assert torch.equal(layer.alpha, torch.tensor([0.5]))
    torch.testing.assert_close(layer(x), torch.tanh(0.5 * x))
    layer(x).square().sum().backward()
    assert layer.alpha.grad != 0


def test_alpha_acts_before_the_tanh_and_gamma_after_it() -> None:
    layer, x = nn.DynamicTanh(2, alpha_init=3.0), torch.tensor([[0.1, 100.0]])
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([2.0, 5.0]))
        layer.bias.copy_(torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(layer(x), torch.tensor([[2 * 0.2913126, 6.0]]))


def test_without_gamma_and_beta_alpha_stays() -> None:
    layer = nk.make("dynamic_tanh", 8, affine=False, alpha_init=2.0)
    assert list(layer.state_dict()) == ["alpha"]
    x = torch.randn(3, 8, 4, 5)
    torch.testing.assert_close(layer(x), torch.tanh(2 * x))


def test_training_and_evaluation_are_the_same_and_a_single_value_is_taken() -> None:
    layer, x = nn.DynamicTanh(1), torch.ones(1, 1)
    torch.testing.assert_close(layer.train()(x), layer.eval()(x))


def test_reset_gives_alpha_its_first_value_back() -> None:
    layer = nn.DynamicTanh(4, alpha_init=0.25)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    layer.reset_parameters()
    x = torch.randn(2, 4)
    torch.testing.assert_close(layer(x), torch.tanh(0.25 * x))


def test_it_shows_its_arguments() -> None:
    shown = "DynamicTanh(8, alpha_init=0.5, affine=True, act='relu')"
    assert repr(nn.DynamicTanh(8, act="relu")) == shown


def test_an_alpha_per_channel_is_refused() -> None:
    with pytest.raises(ValueError, match=r"alpha must hold one value.*got the shape \(4,\)"):
        dynamic_tanh(torch.randn(2, 4), torch.ones(4))
    with pytest.raises(ValueError, match=r"9 channels on axis 1, weight has shape \(8,\)"):
        nn.DynamicTanh(8)(torch.randn(2, 9, 4))
