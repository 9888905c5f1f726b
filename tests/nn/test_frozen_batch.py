"""Frozen batch normalization layers: what they take over, and that it stays."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

import normkit as nk
from normkit import nn


def trained(make: Callable[..., Any] = nn.BatchNorm2d, **options: Any) -> Any:
    """A batch normalization layer that has seen data, with γ and β unlike those it starts with."""
    layer = make(4, **options)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    layer(torch.randn(8, 4, 5, 5) * 3 + 1)
    return layer


def test_it_starts_as_the_identity() -> None:
    x = torch.randn(2, 4, 5, 5)
    torch.testing.assert_close(nn.FrozenBatchNorm2d(4, eps=0.0)(x), x)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("options", [{}, {"bias": False}, {"affine": False}, {"eps": 0.5}])
@pytest.mark.parametrize(
    "make", [nn.BatchNorm2d, torch.nn.BatchNorm2d, nn.SyncBatchNorm, nn.BatchRenorm2d]
)
def test_frozen_a_layer_computes_what_it_did_in_evaluation(
    make: Callable[..., Any], options: dict[str, Any], training: bool
) -> None:
    layer = trained(make, **options)
    frozen = nn.FrozenBatchNorm2d.from_batch_norm(layer.train(training))
    assert frozen.training is training
    x = torch.randn(3, 4, 5, 5)
    assert torch.equal(frozen(x), layer.eval()(x)) or make is torch.nn.BatchNorm2d
    torch.testing.assert_close(frozen(x), layer(x))


def test_freezing_copies() -> None:
    layer = trained(act=torch.nn.PReLU())
    before = copy.deepcopy(layer.state_dict())
    frozen = nn.FrozenBatchNorm2d.from_batch_norm(layer)
    for tensor in frozen.state_dict().values():
        tensor.fill_(7.0)
    torch.testing.assert_close(layer.state_dict(), before, rtol=0, atol=0)


def test_it_takes_over_the_activation_and_each_dtype() -> None:
    layer = trained(act="relu")
    for parameter in layer.parameters():
        parameter.data = parameter.data.half()
    frozen = nn.FrozenBatchNorm2d.from_batch_norm(layer)
    assert frozen.act == "relu"
    assert frozen.weight.dtype is torch.float16
    assert frozen.running_mean.dtype is torch.float32


def test_it_loads_the_state_of_batch_normalization_without_the_count() -> None:
    layer = trained()
    frozen = nn.FrozenBatchNorm2d(4)
    frozen.load_state_dict(layer.state_dict(), strict=True)
    x = torch.randn(3, 4, 5, 5)
    assert torch.equal(frozen(x), layer.eval()(x))
    assert "num_batches_tracked" not in frozen.state_dict()


def test_it_loads_it_as_a_part_of_a_model_too() -> None:
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), trained())
    frozen = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), nn.FrozenBatchNorm2d(4))
    state = model.state_dict()
    frozen.load_state_dict(state)
    assert "1.num_batches_tracked" in state
    x = torch.randn(2, 3, 7, 7)
    torch.testing.assert_close(frozen(x), model.eval()(x))


def test_batch_normalization_loads_its_state() -> None:
    frozen = nn.FrozenBatchNorm2d.from_batch_norm(trained())
    layer = nn.BatchNorm2d(4)
    layer.load_state_dict(frozen.state_dict())
    x = torch.randn(3, 4, 5, 5)
    torch.testing.assert_close(layer.eval()(x), frozen(x))


def test_training_does_not_change_it_and_the_gradient_goes_through() -> None:
    frozen = nn.FrozenBatchNorm2d.from_batch_norm(trained()).train()
    convolution = torch.nn.Conv2d(3, 4, 3)
    model = torch.nn.Sequential(convolution, frozen).requires_grad_()
    before, first = copy.deepcopy(frozen.state_dict()), convolution.weight.detach().clone()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.1)
    model(torch.randn(2, 3, 7, 7)).square().sum().backward()
    optimizer.step()
    torch.testing.assert_close(frozen.state_dict(), before, rtol=0, atol=0)
    assert not torch.equal(convolution.weight, first)


def test_it_is_not_taken_for_batch_normalization() -> None:
    """Else it would be converted, and its statistics reset and moved."""
    model = torch.nn.Sequential(nn.FrozenBatchNorm2d.from_batch_norm(trained()))
    before = copy.deepcopy(model.state_dict())
    converted = torch.nn.SyncBatchNorm.convert_sync_batchnorm(model)
    assert isinstance(converted[0], nn.FrozenBatchNorm2d)
    torch.optim.swa_utils.update_bn([torch.randn(3, 4, 5, 5)], model)
    with nk.accumulate(model):
        model(torch.randn(3, 4, 5, 5))
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


def test_it_shows_its_arguments() -> None:
    layer = nn.FrozenBatchNorm2d(4, bias=False, act="relu")
    shown = "FrozenBatchNorm2d(4, eps=1e-05, affine=True, bias=False, act='relu')"
    assert repr(layer) == shown


def test_what_cannot_be_frozen_is_refused() -> None:
    with pytest.raises(TypeError, match="got a GroupNorm"):
        nn.FrozenBatchNorm2d.from_batch_norm(nn.GroupNorm(2, 4))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"track_running_stats=False.*Train it with them first"):
        nn.FrozenBatchNorm2d.from_batch_norm(nn.BatchNorm2d(4, track_running_stats=False))


def test_another_rank_is_refused() -> None:
    with pytest.raises(ValueError, match=r"FrozenBatchNorm2d takes .*\(N, C, H, W\)"):
        nn.FrozenBatchNorm2d(4)(torch.randn(2, 4, 5))
