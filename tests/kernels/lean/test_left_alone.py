"""Checkpoints, compiled graphs and whatever else has rules of its own are left alone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest
import torch
from tests.kernels.interpreter import HOLDS
from tests.kernels.lean.networks import IMAGES, Around, Held, Network, assert_same
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import normkit as nk
from normkit.kernels import lean as room


@HOLDS
@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("inside_out", [False, True])
def test_checkpointed_regions_are_left_alone(reentrant: bool, inside_out: bool, way: str) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = Network()

        def forward(self, x: Tensor) -> Tensor:
            blocks = self.network.blocks
            net = self.network
            x = net.meet(net.branch(net.stem(x)))

            def inner(x: Tensor) -> Tensor:
                with nk.lean() if inside_out else nullcontext():
                    result: Tensor = blocks(x)
                    return result

            result: Tensor = net.head(checkpoint(inner, x, use_reentrant=reentrant).flatten(1))
            return result

    model = Model()
    before = set(room._outputs)
    seen: list[int] = []
    model.network.blocks[0].norm1.register_forward_hook(
        lambda module, given, y: seen.append(y.untyped_storage()._cdata in room._outputs)
    )
    held = Held(model.network.blocks)
    around = nullcontext if inside_out else nk.lean
    with around():
        y = model(IMAGES)
    assert held.count() == 1  # The region's own output, which the linear layer saves.
    del y
    assert seen == [False]
    assert set(room._outputs) == before
    assert_same(Model(), IMAGES, around)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
@pytest.mark.filterwarnings("ignore:<class 'torch.autograd.function.Function'> should not be")
def test_compiled_graphs_are_left_alone() -> None:
    model = Network(blocks=1)
    compiled = torch.compile(model.blocks, backend="aot_eager", fullgraph=True)

    def run(around: Around, blocks: Callable[[Tensor], Tensor]) -> tuple[Tensor, ...]:
        with around():
            y = model.head(blocks(model.meet(model.stem(IMAGES))).flatten(1))
        return torch.autograd.grad(y.sum(), [model.head.weight, model.stem[0].weight])

    outside = run(nullcontext, compiled)
    for inside, expected in zip(run(nk.lean, compiled), outside, strict=True):
        torch.testing.assert_close(inside, expected)

    def whole(x: Tensor) -> Tensor:
        with nk.lean():
            result: Tensor = model.blocks(x)
            return result

    x = torch.randn(2, 4, 5, 5)
    y = torch.compile(whole, backend="aot_eager", fullgraph=True)(x)
    torch.testing.assert_close(y, model.blocks(x))


def test_without_gradients_it_does_nothing(way: str) -> None:
    before = len(room._outputs)
    with nk.lean(), torch.no_grad():
        y = nk.nn.BatchNorm2d(3)(IMAGES)
    assert len(room._outputs) == before
    assert not y.requires_grad
    with torch.inference_mode(), nk.lean():
        nk.nn.BatchNorm2d(3, act="relu")(IMAGES)


def test_the_innermost_hooks_are_the_ones_that_act(way: str) -> None:
    model = Network()
    around: list[Around] = [torch.autograd.graph.save_on_cpu, nk.lean]
    for outer, inner in (around, around[::-1]):

        def both(outer: Around = outer, inner: Around = inner) -> AbstractContextManager[object]:
            stack = contextlib.ExitStack()
            stack.enter_context(outer())
            stack.enter_context(inner())
            return stack

        assert_same(model, IMAGES, both)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_forward_mode_and_transforms_that_pytorch_allows(way: str) -> None:
    layer = nk.nn.BatchNorm2d(3, act="relu")
    tangent = torch.randn(IMAGES.shape)
    outside = torch.func.jvp(layer, (IMAGES,), (tangent,))
    with nk.lean():
        inside = torch.func.jvp(layer, (IMAGES,), (tangent,))
        torch.func.vmap(nk.nn.GroupNorm(1, 3))(IMAGES.expand(2, 2, 3, 12, 12))
        with pytest.raises(RuntimeError, match="saved tensor hooks"):
            torch.func.grad(lambda x: layer(x).sum())(IMAGES)
    for a, b in zip(inside, outside, strict=True):
        torch.testing.assert_close(a, b)
