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


@pytest.mark.parametrize("upstream", [float("inf"), float("nan")])
@pytest.mark.parametrize("act", ["relu", "relu6"])
def test_no_gradient_comes_through_where_the_activation_is_flat(act: str, upstream: float) -> None:
    layer = nk.nn.BatchNorm2d(6, act=act)
    x, residual = (torch.randn(5, 6, 4, 3, requires_grad=True) for _ in range(2))
    y = layer(x, residual)
    dy = torch.where(y == 0, upstream, torch.randn_like(y)).detach()
    for gradient in torch.autograd.grad(y, [x, residual, *layer.parameters()], dy):
        assert gradient.isfinite().all()


@pytest.mark.parametrize("place", [0, 40, 48])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_an_infinite_gradient_spoils_its_own_channel_alone(
    layout: torch.memory_format, place: int
) -> None:
    layer = nk.nn.BatchNorm2d(6).eval()
    x = torch.rand(5, 6, 7, 7).contiguous(memory_format=layout) + 1
    upstream = torch.rand_like(x)
    upstream[2, 3].view(-1)[place] = torch.inf
    y = layer(x)
    for gradient in torch.autograd.grad(y, list(layer.parameters()), upstream):
        assert gradient.isfinite().tolist() == [True, True, True, False, True, True]


@pytest.mark.parametrize("act", ["relu", "relu6", "leaky_relu"])
def test_where_there_is_no_number_the_gradient_is_that_of_pytorch(act: str) -> None:
    x = torch.rand(2, 6, 4, 5)
    residual = torch.rand_like(x)
    residual[0, 1, 2, 3] = torch.nan
    residual.requires_grad_()
    upstream = torch.rand_like(x)

    def gradient() -> Tensor:
        y = nk.functional.batch_norm(x, None, None, training=True, act=act, residual=residual)
        return torch.autograd.grad(y, residual, upstream)[0]

    found = gradient()
    with nk.kernels.disabled():
        torch.testing.assert_close(found, gradient())


@pytest.mark.parametrize("act", [None, "relu", "silu"])
def test_a_residual_alone_can_be_differentiated_twice(act: str | None) -> None:
    layer = nk.nn.BatchNorm2d(6, affine=False, act=act)
    x, residual = torch.randn(5, 6, 4, 3), torch.randn(5, 6, 4, 3, requires_grad=True)

    def gradient() -> torch.Tensor:
        y = layer(x, residual).square().sum()
        (first,) = torch.autograd.grad(y, residual, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), residual)
        return second

    found = gradient()
    with nk.kernels.disabled():
        torch.testing.assert_close(found, gradient())


def test_batches_are_counted_in_whatever_a_layer_counts_them_in() -> None:
    layer = nk.nn.BatchNorm2d(6)
    layer.num_batches_tracked = layer.num_batches_tracked.double()
    layer(torch.randn(5, 6, 4, 3))
    assert layer.num_batches_tracked.item() == 1


def test_an_operator_refuses_what_it_would_read_past_the_end_of() -> None:
    x = torch.randn(5, 6, 4, 3)
    ends = (1e-5, 0, 0.0, False)
    for residual in (torch.randn(1), x.double(), x.movedim(1, -1).contiguous().movedim(-1, 1)):
        with pytest.raises(RuntimeError, match="residual"):
            torch.ops.normkit.batch_norm(x, residual, None, None, *ends)
    with pytest.raises(RuntimeError, match="contiguous"):
        torch.ops.normkit.batch_norm(x[..., ::2], None, None, None, *ends)
