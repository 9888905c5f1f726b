"""Group normalization layer: groups, and what is refused."""

from __future__ import annotations

import pytest
import torch

from normkit import nn


@pytest.mark.parametrize("groups", [0, -2, 4])
def test_groups_that_do_not_divide_the_channels_are_refused_with_those_that_do(groups: int) -> None:
    with pytest.raises(ValueError, match=r"divisors of 10 are 1, 2, 5, 10"):
        nn.GroupNorm(groups, 10)


def test_one_value_per_group_is_refused() -> None:
    with pytest.raises(ValueError, match="more than one value per group"):
        nn.GroupNorm(8, 8)(torch.randn(4, 8, 1, 1))


def test_the_bias_alone_can_be_left_out() -> None:
    layer = nn.GroupNorm(2, 8, bias=False)
    assert list(layer.state_dict()) == ["weight"]
    assert "bias=False" in repr(layer)


def test_a_sample_does_not_depend_on_its_batch() -> None:
    layer = nn.GroupNorm(2, 8)
    x = torch.randn(4, 8, 3, 3)
    torch.testing.assert_close(layer(x)[:1], layer(x[:1]))
