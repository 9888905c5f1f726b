"""Local response normalization layer."""

from __future__ import annotations

import inspect

import pytest
import torch

import normkit as nk
from normkit import nn
from normkit.functional import local_response_norm


@pytest.mark.parametrize("size", [1, 2, 5, 8, 40])
@pytest.mark.parametrize("shape", [(3, 8, 5), (3, 8, 4, 5), (3, 8, 2, 4, 5)], ids=str)
def test_output_and_gradient_are_those_of_pytorch(shape: tuple[int, ...], size: int) -> None:
    options = {"alpha": 0.3, "beta": 0.6, "k": 1.5}
    ours, theirs = (
        nn.LocalResponseNorm(size, **options),
        torch.nn.LocalResponseNorm(size, **options),
    )
    assert isinstance(ours, torch.nn.LocalResponseNorm)
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    y, expected = ours(x), theirs(x)
    torch.testing.assert_close(y, expected)
    upstream = torch.randn_like(y)
    torch.testing.assert_close(
        torch.autograd.grad(y, x, upstream), torch.autograd.grad(expected, x, upstream)
    )


def test_arguments_and_defaults_are_those_of_pytorch() -> None:
    theirs = inspect.signature(torch.nn.LocalResponseNorm).parameters.values()
    ours = list(inspect.signature(nn.LocalResponseNorm).parameters.values())
    assert [(p.name, p.default) for p in ours[:4]] == [(p.name, p.default) for p in theirs]


def test_of_the_papers_alpha_it_takes_size_times_as_much() -> None:
    x = torch.randn(1, 5, 3)
    layer = nn.LocalResponseNorm(5, alpha=5 * 1e-4, beta=0.75, k=2)
    middle = x[:, 2] / (2 + 1e-4 * x.square().sum(1)) ** 0.75
    torch.testing.assert_close(layer(x)[:, 2], middle)


def test_features_without_positions_are_taken() -> None:
    x, layer = torch.randn(3, 8), nn.LocalResponseNorm(3, alpha=1.0)
    torch.testing.assert_close(layer(x), layer(x.unsqueeze(2)).squeeze(2))


def test_by_name_the_window_has_the_five_channels_of_the_paper() -> None:
    assert nk.make("local_response", 8).size == 5
    assert nk.make("local_response", 8, size=3, k=2.0).size == 3


def test_channels_beyond_a_large_one_do_not_feel_it() -> None:
    x = torch.ones(1, 16, 1)
    x[:, 0] = 1e8
    y = nn.LocalResponseNorm(3, alpha=3.0, beta=1.0, k=0.0)(x)
    torch.testing.assert_close(y[0, 2:-1], torch.full((13, 1), 1 / 3))


def test_it_shows_its_arguments() -> None:
    shown = "LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=1.0, act='relu')"
    assert repr(nn.LocalResponseNorm(5, act="relu")) == shown


def test_a_window_without_channels_is_refused() -> None:
    with pytest.raises(ValueError, match=r"LocalResponseNorm: size .* at least 1; got 0"):
        nn.LocalResponseNorm(0)
    with pytest.raises(ValueError, match=r"local_response_norm: size .* at least 1; got -1"):
        local_response_norm(torch.randn(2, 4, 3), -1)
