"""Accuracy on inputs whose mean is large against their spread, where E[x²] − E[x]² fails.

A float32 number near 1000 is rounded by up to 3e-5. No formula can be held to less than the
rounding of its input; each is held to ten times that, against the same formula in float64.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from normkit import functional as F

FORMULAS: dict[str, Callable[[Tensor], Tensor]] = {
    "batch": lambda x: F.batch_norm(x, None, None, training=True),
    "group": lambda x: F.group_norm(x, 4),
    "layer": lambda x: F.group_norm(x, 1),
    "instance": F.instance_norm,
    "channel_layer": F.channel_layer_norm,
    "trailing_layer": lambda x: F.layer_norm(x, x.shape[2:]),
    "rms": F.channel_rms_norm,
}


def standardised_in_float64(x: Tensor, name: str) -> Tensor:
    """The definition; `x` is float64."""
    grouped = x
    axes = {
        "batch": (0, 2, 3),
        "layer": (1, 2, 3),
        "instance": (2, 3),
        "trailing_layer": (2, 3),
        "channel_layer": (1,),
        "group": (2, 3, 4),
    }
    if name == "rms":
        return x / (x.square().mean(1, keepdim=True) + 1e-5).sqrt()
    if name == "group":
        grouped = x.unflatten(1, (4, -1))
    centred = grouped - grouped.mean(axes[name], keepdim=True)
    variance = centred.square().mean(axes[name], keepdim=True)
    return (centred / (variance + 1e-5).sqrt()).reshape(x.shape)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("mean", [0.0, 1000.0])
@pytest.mark.parametrize("name", FORMULAS)
def test_the_error_is_within_ten_times_the_rounding_of_the_input(
    name: str, mean: float, layout: torch.memory_format
) -> None:
    generator = torch.Generator().manual_seed(0)
    exact = torch.randn(32, 16, 48, 48, dtype=torch.float64, generator=generator) + mean
    x = exact.float().contiguous(memory_format=layout)
    rounding = (x.double() - exact).abs().max()
    error = (FORMULAS[name](x).double() - standardised_in_float64(x.double(), name)).abs().max()
    assert error <= 10 * rounding


def test_running_statistics_of_a_large_mean_are_exact_to_float32() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(32, 16, 48, 48, generator=generator) + 1000
    mean, variance = torch.zeros(16), torch.ones(16)
    F.batch_norm(x, mean, variance, training=True, momentum=1.0)
    torch.testing.assert_close(mean.double(), x.double().mean((0, 2, 3)), rtol=1.2e-7, atol=0)
    torch.testing.assert_close(variance.double(), x.double().var((0, 2, 3)), rtol=1e-5, atol=0)
