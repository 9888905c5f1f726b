"""Mean and variance."""

from __future__ import annotations

import torch

from normkit.functional.statistics import centred_moments


def test_they_are_exact_on_whole_numbers() -> None:
    x = torch.tensor([[1.0, 2.0, 3.0, 6.0]])
    centred, minus_mean, variance = centred_moments(x, (1,))
    assert centred.tolist() == [[-2.0, -1.0, 0.0, 3.0]]
    assert minus_mean.tolist() == [[-3.0]]
    assert variance.tolist() == [[3.5]]


def test_the_centred_values_sum_to_zero_even_when_the_mean_is_large() -> None:
    x = torch.randn(4, 10_000, generator=torch.Generator().manual_seed(0)) + 1e5
    centred, _, _ = centred_moments(x, (1,))
    assert centred.double().mean(1).abs().max() < 1e-4


def test_a_constant_has_no_variance_however_large_it_is() -> None:
    _, _, variance = centred_moments(torch.full((1, 1000), 12345.678), (1,))
    assert variance.item() < 1e-9


def test_an_empty_tensor_has_mean_and_variance_zero() -> None:
    _, minus_mean, variance = centred_moments(torch.empty(0, 3), (0,))
    assert torch.equal(minus_mean, torch.zeros(1, 3))
    assert torch.equal(variance, torch.zeros(1, 3))
