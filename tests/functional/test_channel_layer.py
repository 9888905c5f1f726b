"""The formula of layer normalization over the channels at each position."""

from __future__ import annotations

import pytest
import torch

from normkit import functional as F


def test_it_is_layer_norm_with_the_channels_moved_last() -> None:
    x = torch.randn(3, 6, 4, 5)
    weight, bias = torch.randn(2, 6)
    expected = F.layer_norm(x.movedim(1, -1), (6,), weight, bias).movedim(-1, 1)
    torch.testing.assert_close(F.channel_layer_norm(x, weight, bias), expected)


def test_one_channel_is_refused() -> None:
    with pytest.raises(ValueError, match="With one channel use batch or instance"):
        F.channel_layer_norm(torch.randn(3, 1, 4))
