"""EvoNorm-S0: gate and group deviation."""

from __future__ import annotations

import pytest
import torch

import normkit as nk
from normkit import functional as F
from normkit import nn


def test_it_is_silu_over_the_deviation_of_the_group() -> None:
    x = torch.randn(8, 6, 5, 5) * 2 + 1
    deviation = x.unflatten(1, (3, 2)).var((2, 3, 4), correction=0).add(1e-5).sqrt()
    expected = torch.nn.functional.silu(x) / deviation.repeat_interleave(2, 1)[:, :, None, None]
    torch.testing.assert_close(nn.EvoNormS0(3, 6)(x), expected)


def test_without_the_gate_it_only_divides() -> None:
    x = torch.randn(8, 6, 5, 5)
    torch.testing.assert_close(nn.EvoNormS0(3, 6, gate=False)(x), F.evonorm_s0(x, 3))
    assert "v" not in nn.EvoNormS0(3, 6, gate=False).state_dict()


def test_the_catalogue_chooses_the_groups_of_group_normalization() -> None:
    assert nk.make("evonorm_s0", 64).num_groups == nk.make("group", 64).num_groups == 32


def test_groups_that_do_not_divide_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"EvoNormS0: .*6 channels and num_groups=4"):
        nn.EvoNormS0(4, 6)
    with pytest.raises(ValueError, match="more than one value per group"):
        nn.EvoNormS0(6, 6)(torch.randn(2, 6, 1, 1))
