"""Instance normalization layers: defaults, inputs without a batch axis, running statistics."""

from __future__ import annotations

import pytest
import torch

from normkit import nn


def test_by_default_it_has_no_parameters_as_in_pytorch() -> None:
    assert not nn.InstanceNorm2d(4).affine
    assert not nn.InstanceNorm2d(4).state_dict()


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_an_input_without_a_batch_axis_is_one_sample(dims: int) -> None:
    layer = getattr(nn, f"InstanceNorm{dims}d")(4, affine=True, act="relu")
    x, residual = torch.randn(2, 4, *(3,) * dims)
    expected = layer(x.unsqueeze(0), residual.unsqueeze(0)).squeeze(0)
    assert torch.equal(layer(x, residual), expected)


def test_tracked_running_statistics_are_those_of_pytorch() -> None:
    ours = nn.InstanceNorm2d(4, track_running_stats=True)
    theirs = torch.nn.InstanceNorm2d(4, track_running_stats=True)
    for _ in range(3):
        x = torch.randn(5, 4, 3, 3) * 2 + 1
        ours(x), theirs(x)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


def test_one_position_is_refused() -> None:
    with pytest.raises(ValueError, match="more than one value per channel and sample"):
        nn.InstanceNorm2d(4)(torch.randn(2, 4, 1, 1))


def test_features_without_positions_are_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match="cannot be normalised per instance"):
        nn.InstanceNorm1d(4, affine=True)(torch.randn(8, 4))


def test_another_number_of_channels_warns_where_pytorch_warns() -> None:
    with pytest.warns(UserWarning, match="made for 4 channels and got 6"):
        nn.InstanceNorm2d(4)(torch.randn(2, 6, 3, 3))


def test_another_rank_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(N, C, H, W\) or \(C, H, W\)"):
        nn.InstanceNorm2d(4)(torch.randn(4, 3))


def test_the_bias_alone_can_be_left_out() -> None:
    assert list(nn.InstanceNorm2d(4, affine=True, bias=False).state_dict()) == ["weight"]
