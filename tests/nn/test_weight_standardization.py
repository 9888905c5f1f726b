"""Weight standardization: which weights belong to an output, and where there is nothing to do."""

from __future__ import annotations

import pytest
import torch

from normkit import functional as F
from normkit import nn


def rows(layer: torch.nn.Module) -> torch.Tensor:
    """The weights of each output channel, found by what each output changes with."""
    weight = layer.weight
    assert isinstance(weight, torch.Tensor)
    if not isinstance(layer, torch.nn.ConvTranspose2d):
        return weight.flatten(1)
    groups = weight.chunk(layer.groups)
    return torch.cat([group.transpose(0, 1).flatten(1) for group in groups])


@pytest.mark.parametrize(
    "layer",
    [
        torch.nn.Conv2d(6, 4, 3, groups=2),
        torch.nn.ConvTranspose2d(6, 4, 3),
        torch.nn.ConvTranspose2d(6, 4, 3, groups=2),
    ],
    ids=["groups", "transposed", "transposed-groups"],
)
def test_each_output_channel_is_standardised_over_its_own_inputs(layer: torch.nn.Module) -> None:
    got = rows(nn.weight_standardization(layer, eps=1e-12))
    assert got.shape[0] == 4
    torch.testing.assert_close(got.mean(1), torch.zeros(4), rtol=0, atol=1e-6)
    torch.testing.assert_close(got.var(1, correction=0), torch.ones(4))


def test_the_variance_is_the_biased_one() -> None:
    weight = torch.tensor([[1.0, 3.0]])
    torch.testing.assert_close(
        F.weight_standardization(weight, eps=0.0), torch.tensor([[-1.0, 1.0]])
    )


@pytest.mark.parametrize(
    "function", [F.weight_standardization, F.scaled_weight_standardization], ids=["plain", "scaled"]
)
def test_a_mean_that_is_large_against_the_spread_costs_no_accuracy(function) -> None:  # type: ignore[no-untyped-def]
    weight = (torch.randn(8, 64, 3, 3, dtype=torch.float64) + 1000).float()
    exact = function(weight.double())
    torch.testing.assert_close(function(weight).double(), exact, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "put_on", [nn.weight_standardization, nn.scaled_weight_standardization], ids=["plain", "scaled"]
)
def test_one_weight_per_output_channel_is_refused(put_on) -> None:  # type: ignore[no-untyped-def]
    for layer in (
        torch.nn.Conv2d(4, 4, 1, groups=4),
        torch.nn.ConvTranspose2d(4, 4, 1, groups=4),
        torch.nn.Linear(1, 4),
    ):
        with pytest.raises(ValueError, match="more than one weight per output channel"):
            put_on(layer)


def test_groups_that_do_not_divide_the_inputs_are_refused() -> None:
    with pytest.raises(ValueError, match=r"groups=4\. Give the groups of the layer"):
        F.weight_standardization(torch.randn(6, 4, 3), transposed=True, groups=4)


def test_spectral_normalization_can_follow_it() -> None:
    layer = nn.spectral_norm(
        nn.weight_standardization(torch.nn.Linear(6, 4)), n_power_iterations=200
    )
    sigma = torch.linalg.matrix_norm(layer.weight, 2)
    torch.testing.assert_close(sigma, torch.ones(()), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(layer.weight.mean(1), torch.zeros(4), rtol=0, atol=1e-6)
