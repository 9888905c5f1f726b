"""Scaled weight standardization: the variance that it keeps, and its gain."""

from __future__ import annotations

import math

import pytest
import torch

from normkit import functional as F
from normkit import nn

RELU = math.sqrt(2 / (1 - 1 / math.pi))


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.nn.Linear(512, 256, bias=False),
        lambda: torch.nn.ConvTranspose1d(512, 256, 1, groups=2, bias=False),
    ],
    ids=["linear", "transposed"],
)
def test_behind_a_relu_it_keeps_the_variance(make) -> None:  # type: ignore[no-untyped-def]
    layer = nn.scaled_weight_standardization(make(), gamma=RELU)
    shape = (400, 512, 1)[: 2 if isinstance(layer, torch.nn.Linear) else 3]
    y = layer(torch.relu(torch.randn(shape)))
    assert y.var().item() == pytest.approx(1, abs=0.05)
    assert abs(y.mean().item()) < 0.05


def test_it_is_weight_standardization_divided_by_the_root_of_the_fan_in() -> None:
    weight = torch.randn(5, 4, 3, 3)
    torch.testing.assert_close(
        F.scaled_weight_standardization(weight),
        F.weight_standardization(weight, eps=0.0) / math.sqrt(4 * 9),
    )


def test_a_constant_weight_is_zero_and_has_finite_gradients() -> None:
    weight = torch.full((5, 4), 0.3, requires_grad=True)
    y = F.scaled_weight_standardization(weight)
    y.sum().backward()
    assert y.abs().max() < 1e-4
    assert weight.grad is not None
    assert weight.grad.isfinite().all()


@pytest.mark.parametrize("make", [torch.nn.Conv2d, torch.nn.ConvTranspose2d])
def test_the_gain_multiplies_the_output_channels(make: type) -> None:
    layer = nn.scaled_weight_standardization(make(6, 4, 3, groups=2, bias=False))
    x = torch.randn(2, 6, 5, 5)
    before = layer(x)
    gain = torch.arange(1.0, 5.0)
    with torch.no_grad():
        layer.parametrizations.weight[0].gain.copy_(gain)
    torch.testing.assert_close(layer(x), before * gain.reshape(-1, 1, 1))


def test_the_gain_can_be_left_out_and_is_frozen_with_the_weight() -> None:
    layer = nn.scaled_weight_standardization(torch.nn.Linear(4, 6), gain=False)
    assert set(layer.state_dict()) == {"bias", "parametrizations.weight.original"}
    frozen = nn.scaled_weight_standardization(torch.nn.Linear(4, 6).requires_grad_(False))
    assert not any(parameter.requires_grad for parameter in frozen.parameters())


def test_a_gain_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"one value per output channel.*has 5, gain has .*\(4,\)"):
        F.scaled_weight_standardization(torch.randn(5, 4), torch.ones(4))
