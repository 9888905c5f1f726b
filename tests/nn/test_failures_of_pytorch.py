"""What PyTorch's own layers get wrong and these do not.

Each test runs on both. On PyTorch's it is expected to fail, strictly: should PyTorch mend one, the
test says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from normkit import nn

Layers = Any
"""`normkit.nn` or `torch.nn`."""


def on_both(reason: str, **raises: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    theirs = pytest.param(
        torch.nn, id="pytorch", marks=pytest.mark.xfail(strict=True, reason=reason, **raises)
    )
    return pytest.mark.parametrize("layers", [pytest.param(nn, id="normkit"), theirs])


def standardised(x: torch.Tensor, groups: int | None) -> torch.Tensor:
    x = x.double()
    if groups is None:
        centred = x - x.mean((0, 2, 3), keepdim=True)
        return centred / (centred.square().mean((0, 2, 3), keepdim=True) + 1e-5).sqrt()
    grouped = x.unflatten(1, (groups, -1))
    centred = grouped - grouped.mean((2, 3, 4), keepdim=True)
    variance = centred.square().mean((2, 3, 4), keepdim=True)
    return (centred / (variance + 1e-5).sqrt()).reshape(x.shape)


def error(layers: Layers, groups: int | None, mean: float, layout: torch.memory_format) -> float:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(8, 64, 112, 112, generator=generator) + mean
    x = x.contiguous(memory_format=layout)
    layer = layers.BatchNorm2d(64) if groups is None else layers.GroupNorm(groups, 64)
    with torch.no_grad():
        return float((layer(x).double() - standardised(x, groups)).abs().max())


@on_both("the variance is summed in float32 over all values, or is E[x²] − E[x]²")
@pytest.mark.parametrize(
    ("groups", "mean", "allowed"),
    [
        (None, 0.0, 1e-5),
        (None, 10.0, 1e-5),
        (None, 1000.0, 6e-4),
        (32, 0.0, 5e-6),
        (32, 10.0, 1e-5),
        (32, 1000.0, 6e-4),
    ],
    ids=lambda value: str(value),
)
def test_channels_last_is_as_exact_as_contiguous(
    layers: Layers, groups: int | None, mean: float, allowed: float
) -> None:
    assert error(layers, groups, mean, torch.channels_last) <= allowed


@on_both("the recomputation is counted too")
@pytest.mark.parametrize("reentrant", [True, False])
def test_a_checkpointed_batch_counts_once(layers: Layers, reentrant: bool) -> None:
    layer = layers.BatchNorm2d(4)
    x = torch.randn(8, 4, 3, 3, requires_grad=True)
    checkpoint(layer, x, use_reentrant=reentrant).square().sum().backward()
    assert layer.num_batches_tracked == 1


@on_both("the statistics of a step that a gradient scaler skips stay", raises=AssertionError)
def test_a_step_that_the_scaler_skips_leaves_no_nan(layers: Layers) -> None:
    layer = layers.BatchNorm2d(4)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu")
    x = torch.randn(8, 4, 3, 3)
    x[0, 0, 0, 0] = torch.inf
    scaler.scale(layer(x).sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    assert layer.weight.isfinite().all()
    assert layer.running_mean.isfinite().all()
    assert layer.running_var.isfinite().all()


@on_both("train-mode statistics are captured", raises=RuntimeError)
@pytest.mark.parametrize("transform", [torch.func.grad, torch.func.jacrev])
def test_a_transform_goes_through_batch_norm_in_training(
    layers: Layers, transform: Callable[..., Callable[..., torch.Tensor]]
) -> None:
    layer = layers.BatchNorm2d(4)
    x = torch.randn(8, 4, 3, 3)
    leaf = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(layer(leaf).pow(3).sum(), leaf)
    torch.testing.assert_close(transform(lambda x: layer(x).pow(3).sum())(x), expected)


@on_both("there is no mask", raises=TypeError)
@pytest.mark.parametrize("make", ["BatchNorm2d", "InstanceNorm2d", "GroupNorm"])
def test_padding_is_left_out(layers: Layers, make: str) -> None:
    layer = getattr(layers, make)(*((2, 4) if make == "GroupNorm" else (4,)))
    x = torch.randn(3, 4, 5, 6)
    padded = torch.nn.functional.pad(x, (0, 2))
    mask = torch.arange(8).expand(3, 5, 8) < 6
    torch.testing.assert_close(layer(padded, mask=mask)[..., :6], layer(x))


@on_both("the memory format is lost", raises=AssertionError)
def test_instance_norm_keeps_channels_last(layers: Layers) -> None:
    x = torch.randn(3, 4, 5, 6).contiguous(memory_format=torch.channels_last)
    assert layers.InstanceNorm2d(4)(x).is_contiguous(memory_format=torch.channels_last)


def frozen(layers: Layers) -> torch.nn.Module:
    trained = layers.BatchNorm2d(4)
    trained(torch.randn(8, 4, 3, 3) * 3 + 1)
    if layers is nn:
        return nn.FrozenBatchNorm2d.from_batch_norm(trained)
    return trained.requires_grad_(False).eval()


@on_both("train() of the whole model thaws it", raises=AssertionError)
def test_a_frozen_layer_stays_frozen_in_training(layers: Layers) -> None:
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), frozen(layers))
    x = torch.randn(2, 3, 7, 7)
    expected = model.eval()(x)
    torch.testing.assert_close(model.train()(x), expected)


@on_both("requires_grad=False does not stop the statistics", raises=AssertionError)
def test_a_frozen_layer_keeps_its_statistics(layers: Layers) -> None:
    layer = frozen(layers).train()
    before = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
    layer(torch.randn(8, 4, 3, 3))
    torch.testing.assert_close(dict(layer.state_dict()), before)


@on_both("parts of the batch leave a tail of one sample", raises=ValueError)
def test_a_tail_of_one_sample_is_no_ghost_batch_of_its_own(layers: Layers) -> None:
    x = torch.randn(9, 4)
    if layers is nn:
        y = nn.GhostBatchNorm1d(4, ghost_batch_size=4)(x)
    else:
        layer = layers.BatchNorm1d(4)
        y = torch.cat([layer(part) for part in x.split(4)])
    assert y.shape == x.shape
