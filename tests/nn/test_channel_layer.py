"""Layer normalization over the channels at each position."""

from __future__ import annotations

import pytest
import torch

from normkit import nn


def test_each_position_is_standardised_by_itself() -> None:
    x = torch.randn(2, 16, 3, 3)
    scaled = x * torch.rand(2, 1, 3, 3).add(0.5)
    layer = nn.LayerNorm2d(16)
    torch.testing.assert_close(layer(scaled), layer(x), rtol=1e-4, atol=1e-4)


def test_one_channel_is_refused() -> None:
    with pytest.raises(ValueError, match="more than one value per position"):
        nn.LayerNorm2d(1)(torch.randn(2, 1, 3, 3))


def test_another_rank_or_number_of_channels_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(N, C, H, W\)"):
        nn.LayerNorm2d(4)(torch.randn(2, 4, 3))
    with pytest.raises(ValueError, match="3 channels on axis 1"):
        nn.LayerNorm2d(4)(torch.randn(2, 3, 4, 4))


def test_without_bias_or_parameters_it_has_their_keys_alone() -> None:
    assert list(nn.LayerNorm2d(6, bias=False).state_dict()) == ["weight"]
    assert not nn.LayerNorm2d(6, elementwise_affine=False).state_dict()
