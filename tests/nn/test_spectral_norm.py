"""Spectral normalization: its singular vectors, and what moves them."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

from normkit import nn
from normkit.testing.problem import state_of


def vectors(layer: torch.nn.Module) -> tuple[Tensor, Tensor]:
    parametrization = layer.get_submodule("parametrizations.weight.0")
    return parametrization._u.clone(), parametrization._v.clone()


@pytest.mark.parametrize("make", [torch.nn.Conv2d, torch.nn.ConvTranspose2d])
def test_keys_values_and_gradients_are_those_of_pytorch(make: type) -> None:
    ours = nn.spectral_norm(make(4, 6, 3))
    theirs = parametrizations.spectral_norm(make(4, 6, 3))
    theirs.load_state_dict(ours.state_dict(), strict=True)
    for _ in range(3):
        x = torch.randn(2, 4, 5, 5)
        y, expected = ours(x), theirs(x)
        torch.testing.assert_close(y, expected)
        upstream = torch.randn_like(y)
        torch.testing.assert_close(
            torch.autograd.grad(y, list(ours.parameters()), upstream),
            torch.autograd.grad(expected, list(theirs.parameters()), upstream),
            rtol=1e-4,
            atol=1e-4,
        )
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())


def test_reading_the_weight_moves_the_vectors_in_training_alone() -> None:
    layer = nn.spectral_norm(torch.nn.Linear(20, 30)).eval()
    before = vectors(layer)
    _ = layer.weight
    torch.testing.assert_close(vectors(layer), before, rtol=0, atol=0)
    _ = layer.train().weight
    assert not torch.equal(vectors(layer)[0], before[0])


def test_an_assigned_weight_has_its_vectors_at_once() -> None:
    layer = nn.spectral_norm(torch.nn.Linear(20, 30)).eval()
    layer.weight = torch.randn(30, 20) * 7
    sigma = torch.linalg.matrix_norm(layer.weight, 2)
    torch.testing.assert_close(sigma, torch.ones(()), rtol=0.05, atol=0)


@pytest.mark.parametrize("spoilt", [0.0, float("nan"), float("inf")])
def test_a_weight_that_is_zero_or_not_finite_leaves_the_vectors(spoilt: float) -> None:
    layer = nn.spectral_norm(torch.nn.Linear(4, 6))
    original = layer.parametrizations.weight.original
    good, before = original.detach().clone(), vectors(layer)
    with torch.no_grad():
        original.fill_(spoilt)
    weight = layer.weight
    torch.testing.assert_close(vectors(layer), before, rtol=0, atol=0)
    assert spoilt != 0 or not weight.any()
    with torch.no_grad():
        original.copy_(good)
    assert layer.weight.isfinite().all()


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("reentrant", [False, True])
def test_a_recomputation_does_not_move_the_vectors(compiled: bool, reentrant: bool) -> None:
    torch._dynamo.reset()
    layer = nn.spectral_norm(torch.nn.Linear(4, 6))
    plain = copy.deepcopy(layer)
    x = torch.randn(3, 4, requires_grad=True)
    upstream = torch.randn(3, 6)
    plain(x).backward(upstream)
    call = torch.compile(layer, backend="aot_eager") if compiled else layer
    checkpoint(call, x, use_reentrant=reentrant).backward(upstream)
    torch.testing.assert_close(state_of(layer), state_of(plain))
    for got, expected in zip(layer.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(got.grad, expected.grad)


def test_two_forwards_can_share_one_backward() -> None:
    layer = nn.spectral_norm(torch.nn.Linear(4, 6))
    loss = layer(torch.randn(2, 4)).sum() - layer(torch.randn(2, 4)).sum()
    loss = loss + layer.eval()(torch.randn(2, 4)).sum()
    _ = layer.train().weight
    loss.backward()
    assert layer.parametrizations.weight.original.grad.isfinite().all()


def test_transforms_leave_captured_vectors_and_give_the_plain_numbers() -> None:
    layer = nn.spectral_norm(torch.nn.Linear(4, 6).double())
    before, batches = vectors(layer), torch.randn(3, 2, 4, dtype=torch.float64)
    expected = torch.stack([copy.deepcopy(layer)(batch) for batch in batches])
    torch.testing.assert_close(torch.func.vmap(layer)(batches), expected)
    leaf = batches[0].clone().requires_grad_()
    (right,) = torch.autograd.grad(copy.deepcopy(layer)(leaf).square().sum(), leaf)
    got = torch.func.grad(lambda x: layer(x).square().sum())(batches[0])
    torch.testing.assert_close(got, right)
    torch.testing.assert_close(vectors(layer), before, rtol=0, atol=0)


def test_an_empty_batch_and_a_meta_device_go_through() -> None:
    assert nn.spectral_norm(torch.nn.Linear(4, 6))(torch.empty(0, 4)).shape == (0, 6)
    meta = nn.spectral_norm(torch.nn.Conv2d(4, 6, 3, device="meta"))
    assert meta(torch.empty(2, 4, 5, 5, device="meta")).shape == (2, 6, 3, 3)


def test_no_iterations_and_an_axis_that_is_not_there_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1; got 0"):
        nn.spectral_norm(torch.nn.Linear(4, 6), n_power_iterations=0)
    with pytest.raises(ValueError, match="from 0 to 1; got 2"):
        nn.spectral_norm(torch.nn.Linear(4, 6), dim=2)
