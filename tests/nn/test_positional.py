"""Positional normalization layer."""

from __future__ import annotations

import pytest
import torch

import normkit as nk
from normkit import nn


def test_as_in_the_paper_it_has_no_parameters_also_by_name() -> None:
    assert not nn.PositionalNorm(8).state_dict()
    assert not nk.make("positional", 8).state_dict()


def test_with_gamma_and_beta_it_is_layer_normalization_over_the_channels() -> None:
    layer, other = nn.PositionalNorm(8, affine=True), nn.LayerNorm2d(8)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    other.load_state_dict(layer.state_dict())
    x = torch.randn(3, 8, 4, 5)
    torch.testing.assert_close(layer(x), other(x))


def test_one_channel_is_refused() -> None:
    with pytest.raises(ValueError, match="more than one value per position"):
        nn.PositionalNorm(1)(torch.randn(2, 1, 4, 4))


def test_it_shows_its_arguments() -> None:
    shown = "PositionalNorm(8, eps=1e-05, affine=False, act='relu')"
    assert repr(nn.PositionalNorm(8, act="relu")) == shown
