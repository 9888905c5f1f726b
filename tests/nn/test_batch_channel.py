"""Batch-channel normalization: one norm after the other, each with γ and β of its own."""

from __future__ import annotations

import pytest
import torch

import normkit as nk
from normkit import nn


def test_it_is_batch_normalization_and_then_group_normalization() -> None:
    layer = nn.BatchChannelNorm(3, 6, act="relu")
    two = torch.nn.Sequential(nn.BatchNorm2d(6), nn.GroupNorm(3, 6, act="relu"))
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    with torch.no_grad():
        two[0].weight.copy_(layer.batch_weight)
        two[0].bias.copy_(layer.batch_bias)
        two[1].weight.copy_(layer.weight)
        two[1].bias.copy_(layer.bias)
    for training in (True, False):
        x = torch.randn(8, 6, 5, 5) * 3 + 2
        torch.testing.assert_close(layer.train(training)(x), two.train(training)(x))
    torch.testing.assert_close(layer.running_var, two[0].running_var)


def test_a_mask_is_for_both() -> None:
    layer = nn.BatchChannelNorm(3, 6)
    x = torch.randn(4, 6, 5, 6)
    padded = torch.nn.functional.pad(x, (0, 2), value=99.0)
    mask = torch.arange(8).expand(4, 5, 8) < 6
    torch.testing.assert_close(layer(padded, mask=mask)[..., :6], layer(x))


def test_the_catalogue_chooses_the_groups_of_group_normalization() -> None:
    assert nk.make("batch_channel", 64).num_groups == 32


def test_groups_that_do_not_divide_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"BatchChannelNorm: .*6 channels and num_groups=4"):
        nn.BatchChannelNorm(4, 6)
