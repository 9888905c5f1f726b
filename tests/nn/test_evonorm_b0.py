"""EvoNorm-B0: the larger of two deviations, and one running statistic."""

from __future__ import annotations

import pytest
import torch

import normkit as nk
from normkit import functional as F
from normkit import nn


def test_it_keeps_a_running_variance_and_no_mean() -> None:
    layer = nn.EvoNormB0(4, momentum=1.0)
    x = torch.randn(8, 4, 5, 5) * 3 + 2
    layer(x)
    assert list(layer.state_dict()) == ["weight", "bias", "v", "running_var", "num_batches_tracked"]
    torch.testing.assert_close(layer.running_var, x.var((0, 2, 3)))
    assert layer.running_mean is None


def test_several_micro_batches_can_count_as_one() -> None:
    layer, whole = nn.EvoNormB0(4), nn.EvoNormB0(4)
    x = torch.randn(8, 4, 5, 5) + torch.arange(8.0)[:, None, None, None]
    whole(x)
    with nk.accumulate(layer):
        layer(x[:3]), layer(x[3:])
    torch.testing.assert_close(layer.state_dict(), whole.state_dict())


def test_where_the_batch_varies_more_it_divides_by_that() -> None:
    x = torch.randn(8, 4, 5, 5) * 0.1 + torch.randn(8, 4, 1, 1) * 100
    y = nn.EvoNormB0(4, gate=False)(x)
    deviation = (x.var((0, 2, 3), correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(y, x / deviation[:, None, None])


def test_one_value_per_channel_is_refused_in_training() -> None:
    with pytest.raises(ValueError, match="evonorm_s0, which does not look over the batch"):
        nn.EvoNormB0(4)(torch.randn(1, 4))
    assert nn.EvoNormB0(4).eval()(torch.randn(1, 4)).shape == (1, 4)


def test_evaluation_without_a_running_variance_is_refused_by_the_formula() -> None:
    with pytest.raises(ValueError, match="root of running_var"):
        F.evonorm_b0(torch.randn(8, 4), None)
    x = torch.randn(8, 4, 5, 5)
    layer = nn.EvoNormB0(4, track_running_stats=False)
    assert torch.equal(layer(x), layer.eval()(x))
