"""The formula of root mean square normalization."""

from __future__ import annotations

import pytest
import torch

from normkit import functional as F


def test_the_mean_stays_in() -> None:
    x = torch.randn(3, 16, 4) + 5
    y = F.channel_rms_norm(x)
    torch.testing.assert_close(y, x / (x.square().mean(1, keepdim=True) + 1e-5).sqrt())
    assert y.mean() > 0.9


def test_over_channels_it_is_rms_norm_with_the_channels_moved_last() -> None:
    x, weight = torch.randn(3, 6, 4, 5), torch.randn(6)
    expected = F.rms_norm(x.movedim(1, -1), (6,), weight, 1e-5).movedim(-1, 1)
    torch.testing.assert_close(F.channel_rms_norm(x, weight), expected)


def test_a_weight_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"weight must have the shape normalized_shape=\(6,\)"):
        F.rms_norm(torch.randn(4, 6), (6,), weight=torch.ones(5))
    with pytest.raises(ValueError, match=r"weight has shape \(5,\)"):
        F.channel_rms_norm(torch.randn(4, 6), weight=torch.ones(5))
