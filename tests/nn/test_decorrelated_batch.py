"""Decorrelated batch normalization layers."""

from __future__ import annotations

import pytest
import torch

import normkit as nk
from normkit import nn


def correlated(*shape: int) -> torch.Tensor:
    """Channels that repeat each other in part."""
    x = torch.randn(shape, dtype=torch.float64)
    mixing = torch.randn(shape[1], shape[1], dtype=torch.float64)
    return torch.einsum("ij,nj...->ni...", mixing, x) + 3


def test_with_as_many_groups_as_channels_it_is_batch_normalization() -> None:
    ours = nn.DecorrelatedBatchNorm2d(4, num_groups=4, dtype=torch.float64)
    batch = nn.BatchNorm2d(4, dtype=torch.float64)
    x = correlated(8, 4, 3, 3).requires_grad_()
    upstream = torch.randn_like(x)
    y, expected = ours(x), batch(x)
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(
        torch.autograd.grad(y, x, upstream), torch.autograd.grad(expected, x, upstream)
    )
    torch.testing.assert_close(ours.running_mean, batch.running_mean)


def test_channels_of_a_group_do_not_correlate_and_those_of_two_groups_still_may() -> None:
    layer = nn.DecorrelatedBatchNorm2d(4, num_groups=2, dtype=torch.float64)
    y = layer(correlated(16, 4, 3, 3)).transpose(0, 1).flatten(1)
    covariance = y @ y.T / y.shape[1]
    identity = torch.eye(2, dtype=torch.float64)
    torch.testing.assert_close(covariance[:2, :2], identity, rtol=0, atol=1e-3)
    torch.testing.assert_close(covariance[2:, 2:], identity, rtol=0, atol=1e-3)
    assert covariance[:2, 2:].abs().max() > 0.05


def test_a_batch_that_is_white_already_is_left_as_it_is() -> None:
    white = torch.linalg.qr(torch.randn(64, 4, dtype=torch.float64)).Q
    white = torch.linalg.qr(white - white.mean(0)).Q * 8
    layer = nn.DecorrelatedBatchNorm1d(4, dtype=torch.float64)
    torch.testing.assert_close(layer(white), white, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["few samples", "a channel twice", "constant channels"])
def test_gradients_are_finite_where_eigenvalues_are_equal(name: str) -> None:
    x = {
        "few samples": torch.randn(3, 8),
        "a channel twice": torch.randn(32, 4).repeat(1, 2),
        "constant channels": torch.ones(32, 8),
    }[name].requires_grad_()
    layer = nn.DecorrelatedBatchNorm1d(8)
    y = layer(x)
    (gradient,) = torch.autograd.grad(y, x, torch.randn_like(y))
    assert y.isfinite().all()
    assert gradient.isfinite().all()


def test_evaluation_whitens_by_the_average_covariance() -> None:
    layer = nn.DecorrelatedBatchNorm1d(4, momentum=None)
    batches = [torch.randn(16, 4) * 3 + 1 for _ in range(3)]
    for x in batches:
        layer(x)
    average = torch.stack([x.T.cov() for x in batches]).mean(0)
    torch.testing.assert_close(layer.running_covariance[0], average)
    assert layer.num_batches_tracked == 3
    x = torch.randn(500, 4) @ torch.linalg.cholesky(average).T
    y = layer.eval()(x + layer.running_mean)
    assert (y.T.cov() - torch.eye(4)).abs().max() < 0.3


def test_directions_in_which_batches_do_not_vary_do_no_harm_in_evaluation() -> None:
    """More channels than their inputs have directions, and other such directions in each batch."""
    layer = nn.DecorrelatedBatchNorm1d(16)
    for step in range(50):
        x = torch.randn(32, 9) @ torch.randn(9, 16, generator=torch.Generator().manual_seed(step))
        layer(x)
    assert layer.eval()(x).abs().max() < 10


def test_with_as_many_groups_as_channels_it_is_batch_normalization_in_evaluation_too() -> None:
    layer, batch = nn.DecorrelatedBatchNorm1d(4, num_groups=4), nn.BatchNorm1d(4)
    for _ in range(3):
        x = torch.randn(16, 4) * 3 + 1
        torch.testing.assert_close(layer(x), batch(x))
    torch.testing.assert_close(layer.eval()(x), batch.eval()(x))


def test_before_the_first_batch_evaluation_changes_nothing_but_for_eps() -> None:
    x = torch.randn(3, 6, 4, 4)
    layer = nn.DecorrelatedBatchNorm2d(6, num_groups=2).eval()
    torch.testing.assert_close(layer(x), x / (1 + layer.eps) ** 0.5)


def test_micro_batches_count_as_their_joined_covariance() -> None:
    layer = nn.DecorrelatedBatchNorm1d(4, momentum=1.0)
    whole = nn.DecorrelatedBatchNorm1d(4, momentum=1.0)
    x = torch.randn(16, 4) + torch.arange(16)[:, None]
    whole(x)
    with nk.accumulate(layer):
        for part in x.split(4):
            layer(part)
    torch.testing.assert_close(layer.state_dict(), whole.state_dict(), rtol=1e-4, atol=1e-4)


def test_without_running_statistics_evaluation_uses_the_batch() -> None:
    layer = nn.DecorrelatedBatchNorm2d(4, track_running_stats=False)
    assert list(layer.state_dict()) == ["weight", "bias"]
    x = torch.randn(8, 4, 2, 2)
    assert torch.equal(layer(x), layer.eval()(x))


def test_by_name_it_has_groups_of_at_most_sixteen_channels() -> None:
    for channels, groups in ((8, 1), (16, 1), (64, 4), (100, 10), (17, 17)):
        assert nk.make("decorrelated_batch", channels).num_groups == groups
    assert nk.make("decorrelated_batch", 64, num_groups=1).num_groups == 1


def test_groups_that_do_not_divide_the_channels_are_refused_when_it_is_made() -> None:
    with pytest.raises(
        ValueError, match=r"DecorrelatedBatchNorm2d: .* 6 channels and num_groups=4"
    ):
        nn.DecorrelatedBatchNorm2d(6, num_groups=4)


def test_another_rank_is_refused() -> None:
    with pytest.raises(ValueError, match=r"DecorrelatedBatchNorm2d takes .*\(N, C, H, W\)"):
        nn.DecorrelatedBatchNorm2d(6)(torch.randn(8, 6))


def test_it_shows_its_arguments() -> None:
    assert repr(nn.DecorrelatedBatchNorm1d(8, 2, act="relu")) == (
        "DecorrelatedBatchNorm1d(8, num_groups=2, eps=1e-05, momentum=0.1, affine=True, "
        "track_running_stats=True, act='relu')"
    )
