"""Iterative normalization layers."""

from __future__ import annotations

import pytest
import torch

import normkit as nk
from normkit import functional as F
from normkit import nn
from normkit.functional.iterative import newton_root


def spread(samples: int, channels: int, factor: float) -> torch.Tensor:
    """Directions of which the largest varies `factor` times as much as the smallest."""
    scales = torch.logspace(0, -1, channels, base=factor, dtype=torch.float64)
    rotation = torch.linalg.qr(torch.randn(channels, channels, dtype=torch.float64)).Q
    return torch.randn(samples, channels, dtype=torch.float64) * scales @ rotation


@pytest.mark.parametrize("iterations", [0, 1, 5])
def test_with_as_many_groups_as_channels_it_is_batch_normalization(iterations: int) -> None:
    ours, batch = nn.IterativeNorm2d(4, 4, iterations), nn.BatchNorm2d(4)
    x = torch.randn(8, 4, 3, 3) * 3 + 1
    torch.testing.assert_close(ours(x), batch(x))


def test_after_many_iterations_it_is_decorrelated_batch_normalization() -> None:
    x = spread(64, 8, 30.0)
    torch.testing.assert_close(
        F.iterative_norm(x, None, None, training=True, iterations=25),
        F.decorrelated_batch_norm(x, None, None, training=True),
    )


def test_without_iterations_it_divides_by_the_root_of_the_total_variance() -> None:
    x = spread(64, 8, 30.0)
    layer = nn.IterativeNorm1d(8, iterations=0, eps=0.0, dtype=torch.float64)
    centred = x - x.mean(0)
    torch.testing.assert_close(layer(x), centred / centred.var(0, correction=0).sum().sqrt())


def test_iterations_stretch_the_smallest_direction_by_at_most_half_each() -> None:
    covariance = torch.diag(torch.tensor([1.0, 1.0, 1e-9]))
    largest = torch.linalg.eigvalsh(newton_root(covariance, 0.0, iterations=5)).max()
    torch.testing.assert_close(largest, torch.tensor(1.5**5 / 2**0.5), rtol=1e-3, atol=0)


@pytest.mark.parametrize("iterations", [5, 9, 12, 30])
def test_rounding_errors_do_not_grow_with_the_iterations(iterations: int) -> None:
    x = spread(256, 16, 10.0)
    exact = F.iterative_norm(x, None, None, training=True, iterations=iterations)
    y = F.iterative_norm(x.float(), None, None, training=True, iterations=iterations)
    torch.testing.assert_close(y.double(), exact, rtol=0, atol=1e-4)


def test_evaluation_whitens_by_the_average_covariance() -> None:
    layer = nn.IterativeNorm2d(4, num_groups=2, momentum=1.0)
    x = torch.randn(16, 4, 3, 3) * 3 + 1
    # The running covariance is the unbiased one.
    torch.testing.assert_close(layer(x), layer.eval()(x), rtol=1e-2, atol=1e-2)


def test_micro_batches_count_as_their_joined_covariance() -> None:
    layer, whole = (nn.IterativeNorm1d(4, iterations=3, momentum=1.0) for _ in range(2))
    x = torch.randn(16, 4) + torch.arange(16)[:, None]
    whole(x)
    with nk.accumulate(layer):
        for part in x.split(4):
            layer(part)
    torch.testing.assert_close(layer.state_dict(), whole.state_dict(), rtol=1e-4, atol=1e-4)


def test_by_name_it_has_groups_of_at_most_sixty_four_channels() -> None:
    for channels, groups in ((8, 1), (64, 1), (128, 2), (100, 2)):
        assert nk.make("iterative", channels).num_groups == groups


def test_fewer_than_no_iterations_are_refused() -> None:
    with pytest.raises(ValueError, match=r"IterativeNorm1d .* at least 0; got -1"):
        nn.IterativeNorm1d(4, iterations=-1)
    with pytest.raises(ValueError, match=r"iterative_norm .* at least 0; got -1"):
        F.iterative_norm(torch.randn(8, 4), None, None, training=True, iterations=-1)


def test_it_shows_its_arguments() -> None:
    assert repr(nn.IterativeNorm3d(8, 2, act="relu")) == (
        "IterativeNorm3d(8, num_groups=2, iterations=5, eps=1e-05, momentum=0.1, affine=True, "
        "track_running_stats=True, act='relu')"
    )
