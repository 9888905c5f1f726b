"""Root mean square normalization layers."""

from __future__ import annotations

import pytest
import torch

from normkit import nn


def test_the_mean_is_not_subtracted() -> None:
    x = torch.full((2, 8, 3, 3), 5.0)
    torch.testing.assert_close(nn.RMSNorm2d(8)(x), torch.ones_like(x))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64], ids=str)
def test_without_eps_it_takes_the_machine_epsilon_as_pytorch_does(dtype: torch.dtype) -> None:
    x = torch.full((2, 8), 1e-4, dtype=dtype)
    torch.testing.assert_close(nn.RMSNorm(8, dtype=dtype)(x), torch.nn.RMSNorm(8, dtype=dtype)(x))


def test_a_position_of_zeros_gives_zeros_and_a_bounded_gradient() -> None:
    x = torch.zeros(1, 8, 1, 1, requires_grad=True)
    y = nn.RMSNorm2d(8)(x)
    y.backward(torch.ones_like(y))
    assert torch.equal(y, torch.zeros_like(y))
    torch.testing.assert_close(x.grad, torch.full_like(x, 1e-5**-0.5))


def test_another_rank_number_of_channels_or_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(N, C, H, W\)"):
        nn.RMSNorm2d(4)(torch.randn(2, 4, 3))
    with pytest.raises(ValueError, match="3 channels on axis 1"):
        nn.RMSNorm2d(4)(torch.randn(2, 3, 4, 4))
    with pytest.raises(ValueError, match=r"normalized_shape=\(4,\)"):
        nn.RMSNorm(4)(torch.randn(2, 3))
