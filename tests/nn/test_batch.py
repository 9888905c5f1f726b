"""Batch normalization layers: running statistics, modes, and what is refused."""

from __future__ import annotations

import copy

import pytest
import torch

from normkit import nn


def test_running_var_is_the_unbiased_variance() -> None:
    layer = nn.BatchNorm2d(4, momentum=1.0)
    x = torch.randn(3, 4, 2, 2) * 5 + 1
    layer(x)
    torch.testing.assert_close(layer.running_mean, x.mean((0, 2, 3)))
    torch.testing.assert_close(layer.running_var, x.var((0, 2, 3), correction=1))


def test_momentum_none_is_the_cumulative_average_as_in_pytorch() -> None:
    ours = nn.BatchNorm1d(4, momentum=None)
    theirs = torch.nn.BatchNorm1d(4, momentum=None)
    batches = torch.randn(5, 8, 4)
    for batch in batches:
        ours(batch), theirs(batch)
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())
    torch.testing.assert_close(ours.running_mean, batches.mean((0, 1)))


def test_without_running_statistics_evaluation_uses_the_batch() -> None:
    layer = nn.BatchNorm2d(4, track_running_stats=False)
    x = torch.randn(3, 4, 2, 2)
    assert torch.equal(layer(x), layer.eval()(x))


def test_statistics_that_are_not_tracked_do_not_move() -> None:
    layer = nn.BatchNorm2d(4)
    layer.track_running_stats = False
    x = torch.randn(3, 4, 2, 2) + 3
    layer(x)
    assert torch.equal(layer.running_mean, torch.zeros(4))
    torch.testing.assert_close(layer.eval()(x), x / (1 + layer.eps) ** 0.5)


def test_running_statistics_carry_no_gradient() -> None:
    layer = nn.BatchNorm2d(4)
    layer(torch.randn(3, 4, 2, 2, requires_grad=True))
    assert not layer.running_mean.requires_grad
    assert not layer.running_var.requires_grad


def test_one_value_per_channel_is_refused_in_training_and_not_counted() -> None:
    layer = nn.BatchNorm1d(4)
    before = copy.deepcopy(layer.state_dict())
    with pytest.raises(ValueError, match=r"more than one value per channel.*drop_last=True"):
        layer(torch.randn(1, 4))
    torch.testing.assert_close(layer.state_dict(), before, rtol=0, atol=0)
    assert layer.eval()(torch.randn(1, 4)).shape == (1, 4)


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (nn.BatchNorm1d(4), (2, 4, 3, 3), r"\(N, C\) or \(N, C, L\)"),
        (nn.BatchNorm2d(4), (4, 3, 3), r"\(N, C, H, W\); got \(4, 3, 3\)"),
        (nn.BatchNorm3d(4), (2, 4, 3, 3), r"\(N, C, D, H, W\)"),
    ],
    ids=["1d", "2d", "3d"],
)
def test_another_rank_is_refused(
    layer: torch.nn.Module, shape: tuple[int, ...], expected: str
) -> None:
    with pytest.raises(ValueError, match=expected):
        layer(torch.randn(shape))


def test_another_number_of_channels_is_refused() -> None:
    with pytest.raises(ValueError, match="made for 4 channels; the input has 8 channels on axis 1"):
        nn.BatchNorm2d(4)(torch.randn(2, 8, 3, 3))


def test_the_bias_alone_can_be_left_out() -> None:
    layer = nn.BatchNorm2d(4, bias=False)
    assert layer.bias is None
    assert "bias" not in layer.state_dict()
    assert layer(torch.randn(2, 4, 3, 3)).shape == (2, 4, 3, 3)


def test_without_affine_it_standardises() -> None:
    y = nn.BatchNorm2d(4, affine=False)(torch.randn(64, 4, 3, 3) * 7 + 5)
    torch.testing.assert_close(y.mean((0, 2, 3)), torch.zeros(4), rtol=0, atol=1e-6)
    torch.testing.assert_close(y.var((0, 2, 3), correction=0), torch.ones(4))


def test_an_exported_program_computes_the_same() -> None:
    layer = nn.BatchNorm2d(4, act="relu").eval()
    x = torch.randn(3, 4, 2, 2)
    exported = torch.export.export(layer, (x,)).module()
    torch.testing.assert_close(exported(x), layer(x))
