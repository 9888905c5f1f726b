"""Local context normalization layers."""

from __future__ import annotations

import pytest
import torch

import normkit as nk
from normkit import nn
from normkit.functional import local_context_norm


def in_float64(x: torch.Tensor, per_group: int, size: int) -> torch.Tensor:
    """The definition, window by window."""
    samples, channels, height, width = x.shape
    grouped = x.double().reshape(samples, channels // per_group, per_group, height, width)
    y = torch.empty_like(grouped)
    before, after = size // 2, (size - 1) // 2 + 1
    for row in range(height):
        for column in range(width):
            window = grouped[
                ...,
                max(0, row - before) : row + after,
                max(0, column - before) : column + after,
            ].flatten(2)
            std = (window.var(2, correction=0, keepdim=True) + 1e-5).sqrt()
            here = grouped[..., row, column]
            y[..., row, column] = (here - window.mean(2, keepdim=True)) / std
    return y.reshape(x.shape)


@pytest.mark.parametrize("window", [6, (5, 6), 227])
def test_with_a_window_as_large_as_the_map_it_is_group_normalization(
    window: int | tuple[int, int],
) -> None:
    layer, group = nn.LocalContextNorm2d(8, 2, window), nn.GroupNorm(4, 8)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    group.load_state_dict(layer.state_dict())
    x = torch.randn(3, 8, 5, 6)
    torch.testing.assert_close(layer(x), group(x))


def test_with_a_window_of_one_and_one_group_it_is_layer_normalization_over_the_channels() -> None:
    x = torch.randn(3, 8, 5, 6)
    torch.testing.assert_close(nn.LocalContextNorm2d(8, 8, 1)(x), nn.LayerNorm2d(8)(x))


def test_an_axis_that_is_longer_than_the_window_is_cut_and_the_other_taken_whole() -> None:
    x = torch.randn(2, 4, 9, 3, dtype=torch.float64)
    y = local_context_norm(x, 2, (5, 7))
    window = x[:, :2, 2:7].flatten(1)
    std = (window.var(1, correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(y[:, 1, 4, 2], (x[:, 1, 4, 2] - window.mean(1)) / std)


def test_a_difference_between_far_parts_of_the_map_is_taken_out() -> None:
    x = torch.randn(2, 4, 20, 20)
    other = x.clone()
    other[..., 10:] += 50
    y, z = (local_context_norm(each, 2, 5) for each in (x, other))
    torch.testing.assert_close(z[..., :8], y[..., :8], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(z[..., 12:], y[..., 12:], rtol=1e-4, atol=1e-4)
    assert (z[..., 8:12] - y[..., 8:12]).abs().max() > 0.5


@pytest.mark.parametrize("slope", [0.0, 1e2, 1e4])
@pytest.mark.parametrize("size", [4, 9])
def test_where_the_means_differ_across_the_map_the_error_is_that_of_the_inputs_rounding(
    size: int, slope: float
) -> None:
    exact = torch.randn(2, 4, 24, 24, dtype=torch.float64) + 1000
    exact += slope * torch.linspace(0, 1, 24, dtype=torch.float64)
    exact[..., 12:] += slope
    x = exact.float()
    rounding = (x.double() - exact).abs().max()
    error = (local_context_norm(x, 2, size).double() - in_float64(x, 2, size)).abs().max()
    assert error <= 10 * rounding


def test_the_statistics_are_differentiated() -> None:
    x = torch.randn(1, 2, 6, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(local_context_norm(x, 2, 3)[0, 0, 3], x)
    assert (gradient[..., 2:5] != 0).all()
    assert torch.equal(gradient[..., :2], torch.zeros(1, 2, 2))
    assert torch.equal(gradient[..., 5:], torch.zeros(1, 2, 1))


def test_by_name_any_number_of_channels_is_taken() -> None:
    for channels, size in ((1, 1), (7, 7), (9, 3), (64, 2)):
        layer = nk.make("local_context", channels)
        assert layer.channels_per_group == size
        assert layer(torch.randn(2, channels, 4, 4)).shape == (2, channels, 4, 4)


def test_it_shows_its_arguments() -> None:
    assert repr(nn.LocalContextNorm2d(8, window_size=9, act="relu")) == (
        "LocalContextNorm2d(8, channels_per_group=2, window_size=(9, 9), eps=1e-05, affine=True, "
        "act='relu')"
    )


def test_a_window_of_a_single_value_is_refused_at_the_borders_too() -> None:
    x = torch.randn(2, 4, 5, 5)
    for size in (1, 2):
        with pytest.raises(ValueError, match="more than one value per window"):
            local_context_norm(x, 1, size)
    assert local_context_norm(x, 1, 3).shape == x.shape
    assert local_context_norm(x, 2, 1).shape == x.shape


def test_wrong_groups_and_windows_are_refused() -> None:
    with pytest.raises(ValueError, match=r"LocalContextNorm1d: .*9 channels and .*=2.*1, 3, 9"):
        nn.LocalContextNorm1d(9)
    for size in (0, (3, 0), (3, 3, 3)):
        with pytest.raises(ValueError, match="window_size must be a number of at least 1, or one"):
            nn.LocalContextNorm2d(8, window_size=size)
    with pytest.raises(ValueError, match=r"LocalContextNorm2d takes .*\(N, C, H, W\)"):
        nn.LocalContextNorm2d(8)(torch.randn(2, 8, 4))
