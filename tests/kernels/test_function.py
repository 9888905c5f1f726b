"""The one function behind which the kernels run."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import normkit as nk


@pytest.mark.parametrize("act", [None, "relu", "silu"])
def test_what_is_added_to_its_own_norm_counts_once_in_a_gradient_to_be_differentiated(
    act: str | None,
) -> None:
    layer = nk.nn.BatchNorm2d(3, act=act).double()
    x = torch.randn(4, 3, 5, 5, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn_like(x)

    def gradient(differentiable: bool) -> Tensor:
        y = layer(x, residual=x)
        return torch.autograd.grad(y, x, upstream, create_graph=differentiable)[0]

    torch.testing.assert_close(gradient(True), gradient(False))
