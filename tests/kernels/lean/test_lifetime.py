"""Outputs that are rebuilt live as long as they are used, and are taken for no other tensor."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from tests.kernels.interpreter import HOLDS
from tests.kernels.lean.networks import IMAGES, Around, Network, consumed
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

import normkit as nk
from normkit.kernels import lean as room


def test_a_tensor_that_comes_to_lie_where_an_output_lay_is_not_taken_for_it() -> None:
    layer, weight = nk.nn.BatchNorm2d(3, act="relu"), torch.ones(IMAGES.shape, requires_grad=True)
    with nk.lean():
        for _ in range(20):
            y = layer(IMAGES)
            loss = consumed(weight, y)
            other = IMAGES.clone()
            # The output's tensor is alive, its storage is another's.
            y.data = other
            loss = loss + consumed(weight, y)
            del y
            fresh = torch.randn(IMAGES.shape)
            loss = loss + consumed(weight, fresh)
            found = torch.autograd.grad(loss, weight)[0]
            expected = layer(IMAGES).detach() + other + fresh
            torch.testing.assert_close(found, expected)


def test_an_entry_at_the_address_of_another_storage_does_not_count() -> None:
    layer = nk.nn.BatchNorm2d(3, act="relu")
    weight, other = torch.ones(IMAGES.shape, requires_grad=True), torch.randn(IMAGES.shape)
    with nk.lean():
        y = layer(IMAGES)
        key = other.untyped_storage()._cdata
        room._outputs[key] = room._outputs[y.untyped_storage()._cdata]
        try:
            loss = consumed(weight, other)
        finally:
            del room._outputs[key]
    assert torch.equal(torch.autograd.grad(loss, weight)[0], other)


@HOLDS
def test_nothing_is_remembered_of_outputs_that_are_gone(way: str) -> None:
    before = len(room._outputs)
    layer = nk.nn.BatchNorm2d(3)
    with nk.lean():
        for _ in range(3):
            x = IMAGES.clone()
            input_lives = StorageWeakRef(x.untyped_storage())
            y = layer(x)
        assert len(room._outputs) == before + 1
        view = y.flatten(1)
        del x, y
        assert len(room._outputs) == before + 1
        assert view.grad_fn is not None
        del view
    assert len(room._outputs) == before
    assert input_lives.expired()


def test_an_operation_that_saves_its_own_output_is_not_kept_alive_by_it() -> None:
    with nk.lean():
        y = torch.randn(3, requires_grad=True).exp()
    lives = StorageWeakRef(y.untyped_storage())
    del y
    assert lives.expired()


def test_a_training_loop_may_be_inside_as_a_whole(way: str) -> None:
    def weights(around: Around) -> list[Tensor]:
        torch.manual_seed(0)
        model = Network()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        with around():
            for _ in range(3):
                optimizer.zero_grad()
                model(IMAGES).square().sum().backward()
                optimizer.step()
        return list(model.parameters())

    for inside, outside in zip(weights(nk.lean), weights(nullcontext), strict=True):
        assert torch.equal(inside, outside)


@HOLDS
def test_the_loss_of_a_pass_that_is_over_holds_nothing(way: str) -> None:
    model = Network()
    inputs: list[StorageWeakRef] = []
    for module in model.modules():
        if hasattr(module, "act"):
            module.register_forward_pre_hook(
                lambda module, given: inputs.append(StorageWeakRef(given[0].untyped_storage()))
            )
    with nk.lean():
        loss = model(IMAGES).sum()
    assert not any(storage.expired() for storage in inputs)
    loss.backward()

    assert all(storage.expired() for storage in inputs)
    assert loss.grad_fn is not None


@HOLDS
def test_a_retained_graph_goes_backward_again_and_holds_nothing_in_between(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[StorageWeakRef] = []
    build = room.Recipe._build

    def seen(recipe: room.Recipe) -> None:
        build(recipe)
        assert recipe._built is not None
        built.append(StorageWeakRef(recipe._built.tensor.untyped_storage()))

    monkeypatch.setattr(room.Recipe, "_build", seen)
    model = Network()
    parameters = list(model.parameters())
    with nk.lean():
        loss = model(IMAGES).square().sum()
    first = torch.autograd.grad(loss, parameters, retain_graph=True)
    assert built
    assert all(storage.expired() for storage in built)
    # A part of the consumers alone.
    torch.autograd.grad(loss, [model.head.weight], retain_graph=True)
    assert all(storage.expired() for storage in built)
    for once, again in zip(first, torch.autograd.grad(loss, parameters), strict=True):
        assert torch.equal(once, again)
    assert all(storage.expired() for storage in built)


def test_each_output_is_rebuilt_once_along_a_residual_stream(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 0
    build = room.Recipe._build

    def counted(recipe: room.Recipe) -> None:
        nonlocal count
        count += 1
        build(recipe)

    monkeypatch.setattr(room.Recipe, "_build", counted)
    model = Network(blocks=12)
    with nk.lean():
        loss = model(IMAGES).sum()
    loss.backward()
    # Every norm's but those that nothing consumes.
    assert count <= sum(hasattr(module, "act") for module in model.modules())


def test_a_stream_of_a_thousand_norms_is_no_recursion(way: str) -> None:
    weight = torch.ones(2, 1, requires_grad=True)
    with nk.lean():
        y = weight * torch.randn(2, 1)
        for _ in range(1500):
            y = nk.functional.batch_norm(
                torch.randn(2, 1), None, None, weight[0], None, True, residual=y
            )
        loss = consumed(weight, y)
        del y
    loss.backward()
    assert weight.grad is not None


def test_what_a_consumer_does_to_its_copy_reaches_no_other() -> None:
    class Rude(torch.autograd.Function):
        @staticmethod
        def forward(ctx: torch.autograd.function.FunctionCtx, y: Tensor, weight: Tensor) -> Tensor:
            ctx.save_for_backward(y)
            return (weight * y).sum()

        @staticmethod
        def backward(ctx: torch.autograd.Function, upstream: Tensor) -> tuple[None, Tensor]:  # type: ignore[override]
            (y,) = ctx.saved_tensors
            return None, y.mul_(upstream)

    layer, weight = nk.nn.BatchNorm2d(3), torch.ones(IMAGES.shape, requires_grad=True)
    with nk.lean():
        y = layer(IMAGES)
        loss = 2 * Rude.apply(y, weight) + 2 * Rude.apply(y, weight)
    loss.backward()
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, 4 * y.detach())
