"""Group root mean square normalization layer."""

from __future__ import annotations

import pytest
import torch

import normkit as nk
from normkit import nn


def test_the_mean_is_not_subtracted() -> None:
    x = torch.full((2, 8, 3, 3), 5.0)
    torch.testing.assert_close(nn.GroupRMSNorm(4, 8)(x), torch.ones_like(x))


def test_with_one_group_and_no_positions_it_is_rms_over_the_channels() -> None:
    x = torch.randn(3, 8)
    torch.testing.assert_close(nn.GroupRMSNorm(1, 8)(x), nn.RMSNorm1d(8)(x))


def test_on_groups_of_mean_zero_it_is_group_normalization() -> None:
    x = torch.randn(3, 4, 5, 5)
    grouped = x.reshape(3, 2, -1)
    x = (grouped - grouped.mean(2, keepdim=True)).reshape(x.shape)
    torch.testing.assert_close(nn.GroupRMSNorm(2, 4)(x), nn.GroupNorm(2, 4)(x))


def test_a_group_of_zeros_gives_zeros_and_a_bounded_gradient() -> None:
    x = torch.zeros(1, 4, 2, 2, requires_grad=True)
    y = nn.GroupRMSNorm(2, 4)(x)
    y.backward(torch.ones_like(y))
    assert torch.equal(y, torch.zeros_like(y))
    torch.testing.assert_close(x.grad, torch.full_like(x, 1e-5**-0.5))


def test_the_number_of_groups_is_that_of_group_normalization() -> None:
    for channels in (1, 7, 16, 96):
        assert nk.make("group_rms", channels).num_groups == nk.make("group", channels).num_groups


def test_it_shows_its_arguments() -> None:
    layer = nn.GroupRMSNorm(2, 4, affine=False, act="relu")
    assert repr(layer) == "GroupRMSNorm(2, 4, eps=1e-05, affine=False, act='relu')"


def test_channels_that_do_not_divide_into_the_groups_are_refused() -> None:
    with pytest.raises(ValueError, match=r"GroupRMSNorm: .*4 channels and num_groups=3.*1, 2, 4"):
        nn.GroupRMSNorm(3, 4)
    with pytest.raises(ValueError, match="made for 6 channels; the input has 9 channels on axis 1"):
        nn.GroupRMSNorm(3, 6)(torch.randn(2, 9, 4))
