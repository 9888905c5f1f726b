"""No normalization."""

from __future__ import annotations

import pytest
import torch

from normkit import nn


def test_alone_it_returns_its_input() -> None:
    x = torch.randn(2, 3)
    assert nn.Identity()(x) is x


def test_it_adds_the_residual_and_activates() -> None:
    x, residual = torch.randn(2, 3, 4, 5)
    assert torch.equal(nn.Identity(act="relu")(x, residual), torch.relu(x + residual))


def test_it_is_pytorchs_identity_but_swallows_no_argument() -> None:
    assert isinstance(nn.Identity(16), torch.nn.Identity)
    with pytest.raises(TypeError):
        nn.Identity(16, eps=1e-3)  # type: ignore[call-arg]
