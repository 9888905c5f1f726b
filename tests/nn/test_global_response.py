"""Global response normalization layers."""

from __future__ import annotations

import pytest
import torch

from normkit import nn
from normkit.functional import global_response_norm


def test_it_starts_as_the_identity_and_learns_at_once() -> None:
    layer, x = nn.GlobalResponseNorm2d(8), torch.randn(3, 8, 4, 5)
    assert torch.equal(layer(x), x)
    layer(x).square().sum().backward()
    assert (layer.weight.grad != 0).all()


def test_without_gamma_and_beta_they_are_one_and_zero() -> None:
    plain, layer = nn.GlobalResponseNorm2d(8, affine=False), nn.GlobalResponseNorm2d(8)
    torch.nn.init.ones_(layer.weight)
    x = torch.randn(3, 8, 4, 5)
    torch.testing.assert_close(plain(x), layer(x))
    assert not plain.state_dict()


def test_channels_with_the_same_response_are_all_scaled_by_one() -> None:
    x = torch.randn(2, 1, 6, 6).expand(2, 8, 6, 6)
    torch.testing.assert_close(global_response_norm(x), 2 * x)


def test_a_channel_with_twice_the_response_is_scaled_by_twice_as_much() -> None:
    x = torch.randn(2, 1, 6).repeat(1, 2, 1)
    x[:, 1] *= 2
    scale = global_response_norm(x) / x - 1
    torch.testing.assert_close(scale[:, 1], 2 * scale[:, 0])
    torch.testing.assert_close(scale.mean(1), torch.ones(2, 6), atol=1e-5, rtol=0)


def test_the_response_is_a_sum_and_not_a_mean_over_the_positions() -> None:
    x = torch.full((1, 2, 4, 4), 1e-3)  # G is 4e-3.
    y = global_response_norm(x, eps=4e-3)
    torch.testing.assert_close(y, 1.5 * x)


def test_a_channel_of_zeros_has_finite_derivatives_of_first_and_second_order() -> None:
    x = torch.relu(torch.randn(2, 4, 3, 3))
    x[:, 0] = 0
    x[1] = 0
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(global_response_norm(x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(gradient.square().sum(), x)
    assert gradient.isfinite().all()
    assert second.isfinite().all()
    torch.testing.assert_close(gradient[1], torch.ones(4, 3, 3))


def test_what_a_mask_leaves_out_has_no_part_in_the_response() -> None:
    x = torch.randn(2, 4, 6, 6)
    mask = torch.zeros(2, 6, 6, dtype=torch.bool)
    mask[:, :3] = True
    y = global_response_norm(x, mask=mask)
    torch.testing.assert_close(y[:, :, :3], global_response_norm(x[:, :, :3]))


def test_it_shows_its_arguments() -> None:
    shown = "GlobalResponseNorm1d(8, eps=1e-06, affine=True, act='relu')"
    assert repr(nn.GlobalResponseNorm1d(8, act="relu")) == shown


def test_another_rank_or_number_of_channels_is_refused() -> None:
    with pytest.raises(ValueError, match=r"GlobalResponseNorm2d takes .*\(N, C, H, W\)"):
        nn.GlobalResponseNorm2d(8)(torch.randn(2, 8, 4))
    with pytest.raises(ValueError, match="made for 8 channels; the input has 9 channels on axis 1"):
        nn.GlobalResponseNorm1d(8)(torch.randn(2, 9, 4))
