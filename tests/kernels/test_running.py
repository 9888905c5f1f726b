"""Running statistics, moved by the operator, move as the formula moves them."""

from __future__ import annotations

import copy
import functools

import pytest
import torch
from tests.kernels.calls import close, plainly, taken
from torch import Tensor
from torch.utils.checkpoint import (
    CheckpointPolicy,
    checkpoint,
    create_selective_checkpoint_contexts,
)

import normkit as nk
from normkit.functional.running import update_running_
from normkit.functional.statistics import Moments

SHAPE = (4, 6, 5, 3)
LAYERS = {
    "batch": lambda **options: nk.nn.BatchNorm2d(6, **options),
    "instance": lambda **options: nk.nn.InstanceNorm2d(6, track_running_stats=True, **options),
}
layers = pytest.mark.parametrize("layer", LAYERS)
layouts = pytest.mark.parametrize("form", [torch.contiguous_format, torch.channels_last], ids=str)


def buffers(layer: torch.nn.Module) -> dict[str, Tensor]:
    return {name: buffer.clone() for name, buffer in layer.named_buffers()}


def sample(form: torch.memory_format = torch.contiguous_format) -> Tensor:
    return (torch.randn(SHAPE) * 3 + 2).contiguous(memory_format=form)


@pytest.mark.parametrize("momentum", [0.1, 1.0, None])
@layouts
@layers
def test_they_move_as_by_the_formula(
    layer: str, form: torch.memory_format, momentum: float | None
) -> None:
    if layer == "instance" and momentum is None:
        return
    made = LAYERS[layer](momentum=momentum)
    twin = copy.deepcopy(made)
    for _ in range(3):
        x = sample(form)
        with taken():
            made(x)
        plainly(lambda x=x: twin(x))
    close(buffers(made), buffers(twin), 1e-6)
    assert made.num_batches_tracked == 3


@layouts
def test_they_move_once_where_the_map_is_divided(form: torch.memory_format) -> None:
    made = nk.nn.BatchNorm2d(96)
    twin = copy.deepcopy(made)
    x = torch.randn(4, 96, 9, 9).contiguous(memory_format=form)
    with taken():
        made(x)
    plainly(lambda: twin(x))
    close(buffers(made), buffers(twin), 1e-6)


@layouts
def test_they_are_those_of_the_values_in_float64(form: torch.memory_format) -> None:
    layer = nk.nn.BatchNorm2d(6, momentum=1.0)
    x = sample(form) + 1000
    layer(x)
    close(layer.running_mean.double(), x.double().mean((0, 2, 3)), 1.2e-7)
    close(layer.running_var.double(), x.double().var((0, 2, 3)), 1.2e-6)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@layers
def test_they_may_be_of_any_precision(layer: str, dtype: torch.dtype) -> None:
    made = LAYERS[layer]().to(dtype)
    twin = copy.deepcopy(made)
    x = sample().to(dtype)
    made(x)
    plainly(lambda: twin(x))
    assert made.running_mean.dtype is dtype
    close(buffers(made), buffers(twin), 2 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@layers
def test_a_batch_that_is_not_finite_leaves_them_alone(layer: str, value: float) -> None:
    made = LAYERS[layer]()
    made(sample())
    before = buffers(made)
    x = sample()
    x[1, 2, 3, 0] = value
    with taken():
        made(x)
    close(buffers(made), before)


def test_what_their_precision_cannot_hold_leaves_them_alone() -> None:
    layer = nk.nn.BatchNorm2d(6).half()
    before = buffers(layer)
    with taken():
        layer(sample() * 1e4)  # Whose variance is beyond float16.
    close(buffers(layer), before)


@pytest.mark.parametrize("use_reentrant", [False, True])
@layers
def test_a_recomputation_leaves_them_alone(layer: str, use_reentrant: bool) -> None:
    made = LAYERS[layer](affine=True)
    twin = copy.deepcopy(made)
    x = sample().requires_grad_()
    y = checkpoint(made, x, use_reentrant=use_reentrant)
    after = buffers(made)
    y.sum().backward()
    twin(x)
    close(buffers(made), after)
    close(buffers(made), buffers(twin))
    assert made.num_batches_tracked == 1


@layers
def test_a_selective_checkpoint_finds_the_operators_that_ran_before(layer: str) -> None:
    made = LAYERS[layer](affine=True)
    twin = copy.deepcopy(made)
    contexts = functools.partial(
        create_selective_checkpoint_contexts,
        lambda *_, **__: CheckpointPolicy.PREFER_RECOMPUTE,
    )
    x, upstream = sample().requires_grad_(), sample()
    y = checkpoint(made, x, use_reentrant=False, context_fn=contexts)
    (gradient,) = torch.autograd.grad(y, x, upstream)
    close(gradient, torch.autograd.grad(twin(x), x, upstream)[0])
    close(buffers(made), buffers(twin))


@layers
def test_autograd_is_told_that_they_have_changed(layer: str) -> None:
    made = LAYERS[layer]()
    versions = {name: buffer._version for name, buffer in made.named_buffers()}
    with taken():
        made(sample())
    for name, buffer in made.named_buffers():
        assert buffer._version > versions[name], name


def test_a_graph_that_needs_them_as_they_were_raises_once_they_have_moved() -> None:
    layer = nk.nn.BatchNorm2d(6)
    y = layer.eval()(sample().requires_grad_())
    layer.train()(sample())
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@layers
def test_an_activation_that_fails_leaves_them_alone(layer: str) -> None:
    def fails(_: Tensor) -> Tensor:
        raise ArithmeticError

    made = LAYERS[layer](act=fails)
    before = buffers(made)
    with pytest.raises(ArithmeticError):
        made(sample())
    close(buffers(made), before)


@layers
def test_a_layer_told_not_to_track_leaves_them_alone(layer: str) -> None:
    made = LAYERS[layer]()
    made.track_running_stats = False
    before = buffers(made)
    made(sample())
    close(buffers(made), before)


def test_evaluation_leaves_them_alone() -> None:
    layer = nk.nn.BatchNorm2d(6)
    layer(sample())
    before = buffers(layer)
    with taken():
        layer.eval()(sample())
    close(buffers(layer), before)


def test_a_momentum_of_one_takes_the_batch_exactly() -> None:
    batch = Moments(torch.rand(3, dtype=torch.float64), torch.rand(3, dtype=torch.float64), 8)
    mean = torch.full((3,), 1e9, dtype=torch.float64)
    update_running_(mean, None, batch, 1.0)
    close(mean, batch.mean)


def test_either_of_them_may_be_missing() -> None:
    moments = Moments(
        torch.full((3,), 2.0, dtype=torch.float64), torch.full((3,), 5.0, dtype=torch.float64), 8
    )
    mean, variance = torch.zeros(3), torch.ones(3)
    update_running_(mean, None, moments, 0.5)
    update_running_(None, variance, moments, 0.5)
    close(mean, torch.full((3,), 1.0))
    close(variance, torch.full((3,), 3.0))


def test_several_micro_batches_count_as_one() -> None:
    layer, twin = nk.nn.BatchNorm2d(6), nk.nn.BatchNorm2d(6)
    batches = [sample() for _ in range(3)]
    with nk.accumulate(layer):
        for batch in batches:
            layer(batch)
    twin(torch.cat(batches))
    close(buffers(layer), buffers(twin), 1e-5)
