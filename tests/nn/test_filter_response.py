"""Filter response normalization and its threshold."""

from __future__ import annotations

import pytest
import torch

import normkit as nk
from normkit import nn


def test_the_threshold_is_learned_and_cuts_from_below() -> None:
    layer = nn.FilterResponseNorm2d(4)
    with torch.no_grad():
        layer.threshold.copy_(torch.tensor([-1.0, 0.0, 0.5, 9.0]))
    y = layer(torch.randn(8, 4, 5, 5))
    assert torch.equal(y.amin((0, 2, 3)), layer.threshold)
    y.backward(torch.rand_like(y) + 0.1)
    assert (layer.threshold.grad > 0).all()
    # Where all is cut off nothing goes back.
    assert layer.weight.grad[3] == 0


def test_the_threshold_comes_before_the_residual() -> None:
    layer, x = nn.FilterResponseNorm2d(4), torch.randn(8, 4, 5, 5)
    torch.testing.assert_close(layer(x, -torch.ones_like(x)), layer(x) - 1)


def test_without_the_threshold_it_only_divides() -> None:
    y = nn.FilterResponseNorm2d(4, tlu=False)(torch.randn(8, 4, 5, 5) * 7 - 3)
    torch.testing.assert_close(y.square().mean((2, 3)), torch.ones(8, 4))
    assert y.min() < -1


def test_a_learned_eps_starts_small_and_keeps_features_from_becoming_signs() -> None:
    layer = nn.FilterResponseNorm1d(3, tlu=False, learn_eps=True)
    assert torch.equal(layer.learned_eps, torch.full((3,), 1e-4))
    x = torch.tensor([[1e-3, 1e-2, 1.0]])
    torch.testing.assert_close(layer(x), x / (x.square() + 1e-6 + 1e-4).sqrt())


def test_the_catalogue_makes_it_with_its_threshold() -> None:
    assert list(nk.make("filter_response", 4).state_dict()) == ["weight", "bias", "threshold"]
    assert nk.make("filter_response", 4, tlu=False).threshold is None


def test_another_rank_and_number_of_channels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(N, C, H, W\); got \(2, 4, 3\)"):
        nn.FilterResponseNorm2d(4)(torch.randn(2, 4, 3))
    with pytest.raises(ValueError, match="made for 4 channels; the input has 5 channels on axis 1"):
        nn.FilterResponseNorm2d(4)(torch.randn(2, 5, 3, 3))
