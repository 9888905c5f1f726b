"""Weight normalization: PyTorch's keys and numbers, and where it differs."""

from __future__ import annotations

import pytest
import torch
from torch.nn.utils import parametrizations

from normkit import nn


@pytest.mark.parametrize("dim", [0, 1, None, -1])
@pytest.mark.parametrize("make", [torch.nn.Conv2d, torch.nn.ConvTranspose2d])
def test_keys_values_and_gradients_are_those_of_pytorch(make: type, dim: int | None) -> None:
    ours = nn.weight_norm(make(4, 6, 3), dim=dim)
    theirs = parametrizations.weight_norm(make(4, 6, 3), dim=dim)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    x = torch.randn(2, 4, 5, 5)
    y = ours(x)
    torch.testing.assert_close(y, theirs(x))
    upstream = torch.randn_like(y)
    torch.testing.assert_close(
        torch.autograd.grad(y, list(ours.parameters()), upstream),
        torch.autograd.grad(theirs(x), list(theirs.parameters()), upstream),
        rtol=1e-4,
        atol=1e-4,
    )


def test_keys_of_older_checkpoints_are_read() -> None:
    with pytest.warns(FutureWarning):
        older = torch.nn.utils.weight_norm(torch.nn.Conv2d(4, 6, 3))
    layer = nn.weight_norm(torch.nn.Conv2d(4, 6, 3))
    layer.load_state_dict(older.state_dict(), strict=True)
    x = torch.randn(2, 4, 5, 5)
    torch.testing.assert_close(layer(x), older(x))


def test_an_assigned_weight_is_the_weight() -> None:
    layer = nn.weight_norm(torch.nn.Linear(4, 6))
    weight = torch.randn(6, 4)
    layer.weight = weight.clone()
    torch.testing.assert_close(layer.weight, weight)


def test_a_weight_of_zeros_stays_zero_and_is_no_nan() -> None:
    layer = torch.nn.Linear(4, 6)
    torch.nn.init.zeros_(layer.weight)
    layer = nn.weight_norm(layer)
    assert not layer.weight.any()
    layer(torch.randn(2, 4)).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in layer.parameters())


def test_it_must_come_first() -> None:
    layer = nn.weight_standardization(torch.nn.Linear(4, 6))
    with pytest.raises(ValueError, match="put weight_norm on first"):
        nn.weight_norm(layer)


def test_an_axis_that_the_weight_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match=r"from 0 to 1, or None.*got 2"):
        nn.weight_norm(torch.nn.Linear(4, 6), dim=2)
