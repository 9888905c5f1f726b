"""The formula of group normalization."""

from __future__ import annotations

import pytest
import torch

from normkit import functional as F


def test_as_many_groups_as_channels_is_instance_normalization() -> None:
    x = torch.randn(3, 4, 5, 5)
    weight, bias = torch.randn(2, 4)
    torch.testing.assert_close(
        F.group_norm(x, 4, weight, bias), F.instance_norm(x, weight=weight, bias=bias)
    )


def test_one_group_is_layer_normalization_over_the_sample_with_affine_per_channel() -> None:
    x = torch.randn(3, 4, 5, 5)
    weight, bias = torch.randn(2, 4, 1, 1)
    torch.testing.assert_close(
        F.group_norm(x, 1, weight.flatten(), bias.flatten()),
        F.layer_norm(x, (4, 5, 5)) * weight + bias,
    )


def test_channels_that_do_not_divide_into_the_groups_are_refused() -> None:
    with pytest.raises(ValueError, match=r"4 channels and num_groups=3.*1, 2, 4"):
        F.group_norm(torch.randn(2, 4, 3), 3)


def test_one_value_per_group_is_refused() -> None:
    with pytest.raises(ValueError, match="Use fewer groups"):
        F.group_norm(torch.randn(2, 4), 4)
