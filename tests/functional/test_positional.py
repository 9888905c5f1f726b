"""Positional normalization and the moment shortcut."""

from __future__ import annotations

import pytest
import torch

from normkit import functional as F


def test_the_moments_are_those_of_the_channels_at_each_position() -> None:
    x = torch.randn(3, 8, 4, 5, dtype=torch.float64) * 3 + 2
    _, mean, std = F.positional_norm_with_moments(x, eps=0.5)
    torch.testing.assert_close(mean, x.mean(1, keepdim=True))
    torch.testing.assert_close(std.square(), x.var(1, correction=0, keepdim=True) + 0.5)


def test_gradients_flow_through_the_shortcut() -> None:
    x = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    y, mean, std = F.positional_norm_with_moments(x)
    torch.testing.assert_close(F.moment_shortcut(y, mean, std), x)
    upstream = torch.randn_like(x)
    (gradient,) = torch.autograd.grad(F.moment_shortcut(y, mean, std), x, upstream)
    torch.testing.assert_close(gradient, upstream)


def test_the_shortcut_takes_another_number_of_channels_and_keeps_dtype_and_layout() -> None:
    _, mean, std = F.positional_norm_with_moments(torch.randn(2, 8, 4, 4))
    x = torch.randn(2, 3, 4, 4).half().contiguous(memory_format=torch.channels_last)
    y = F.moment_shortcut(x, mean, std)
    assert y.dtype is torch.half
    assert y.stride() == x.stride()
    torch.testing.assert_close(y, (x.float() * std + mean).half())


def test_moments_of_half_precision_are_not_rounded_to_it() -> None:
    x = (torch.randn(2, 8, 4) + 100).half()
    _, mean, std = F.positional_norm_with_moments(x)
    torch.testing.assert_close(mean, x.float().mean(1, keepdim=True))
    assert std.dtype is torch.float32


def test_moments_of_another_map_are_refused() -> None:
    _, mean, std = F.positional_norm_with_moments(torch.randn(2, 8, 4, 4))
    with pytest.raises(ValueError, match=r"mean must .* \(2, 1, 8, 8\) .*got \(2, 1, 4, 4\)"):
        F.moment_shortcut(torch.randn(2, 8, 8, 8), mean, std)
