"""Correlations are NumPy's; batch norm leaves them as they are, norms over a sample do not."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from normkit.probes.decorrelation import (
    correlations,
    decorrelation,
    effective_rank,
    mean_absolute,
)


@pytest.fixture
def mixed() -> torch.Tensor:
    """Channels that are correlated, of different scales and far from zero."""
    torch.manual_seed(0)
    values = torch.randn(8, 4, 5, 5)
    mixing = torch.tensor([[1.0, 0.5, 0, 0], [0, 1, 0, 0.2], [0.3, 0, 1, 0], [0, 0, -0.8, 1]])
    return (
        torch.einsum("ij,njhw->nihw", mixing, values)
        * torch.tensor([0.01, 1.0, 10.0, 100.0]).view(1, 4, 1, 1)
        + 1000
    )


def test_correlations_are_those_of_numpy(mixed: torch.Tensor) -> None:
    matrix, varies = correlations(mixed)
    expected = np.corrcoef(mixed.double().transpose(0, 1).flatten(1).numpy())
    assert varies.all()
    np.testing.assert_allclose(matrix.numpy(), expected, atol=1e-9)


def test_a_constant_channel_is_left_out_even_far_from_zero() -> None:
    values = torch.randn(6, 3, 4)
    values[:, 1] = 1000.1
    matrix, varies = correlations(values)
    assert varies.tolist() == [True, False, True]
    assert matrix.shape == (2, 2)


def test_the_mean_is_taken_off_the_diagonal_without_signs() -> None:
    matrix = torch.tensor([[1.0, 0.2, -0.4], [0.2, 1.0, 0.6], [-0.4, 0.6, 1.0]])
    assert mean_absolute(matrix) == pytest.approx(0.4)
    assert math.isnan(mean_absolute(torch.ones(1, 1)))


def test_the_effective_rank_counts_the_directions_in_use() -> None:
    halves = torch.block_diag(torch.ones(2, 2), torch.ones(2, 2))
    assert effective_rank(halves) == pytest.approx(2)
    assert math.isnan(effective_rank(torch.zeros(0, 0)))


class Shifted(nn.Module):
    """Turns images into the mixed channels, then normalises them."""

    def __init__(self, norm: nn.Module, mixed: torch.Tensor) -> None:
        super().__init__()
        self.norm, self.mixed = norm, mixed

    def forward(self, _: torch.Tensor) -> torch.Tensor:
        return self.norm(self.mixed).relu_()


def test_batch_norm_leaves_every_correlation_as_it_was(mixed: torch.Tensor, untouched) -> None:
    norm = nn.BatchNorm2d(4)
    nn.init.normal_(norm.weight)
    model = Shifted(norm, mixed).eval()
    with untouched(model):
        (found,) = decorrelation(model, [norm], [model], mixed)
    # The smallest channel's values, of scale 0.01 around 1000, are rounded to 6e-5 themselves.
    assert found.largest_change < 1e-5
    assert found.after == pytest.approx(found.before, abs=1e-5)
    assert 0.1 < found.before < 0.5


def test_group_norm_does_not(mixed: torch.Tensor) -> None:
    norm = nn.GroupNorm(1, 4)
    model = Shifted(norm, mixed)
    (found,) = decorrelation(model, [norm], [model], mixed)
    assert found.largest_change > 0.01


def test_the_output_is_what_the_layer_hands_on(mixed: torch.Tensor) -> None:
    norm = nn.BatchNorm2d(4)
    model = Shifted(norm, mixed).train()
    (found,) = decorrelation(model, [norm], [model], mixed)
    matrix, _ = correlations(model(mixed))
    assert found.output == pytest.approx(mean_absolute(matrix))
    assert found.rank == pytest.approx(effective_rank(matrix) / 4)


def test_a_layer_that_is_not_called_is_told(net, batch) -> None:
    with pytest.raises(RuntimeError, match="not called"):
        decorrelation(net, [nn.BatchNorm2d(4)], [net[2]], batch[0])


def test_of_a_layer_without_norm_the_output_alone_is_measured(net, batch) -> None:
    (found,) = decorrelation(net, [None], [net[0]], batch[0])
    assert math.isnan(found.before)
    assert math.isnan(found.largest_change)
    assert 0 <= found.output <= 1
