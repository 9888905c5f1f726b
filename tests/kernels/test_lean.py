"""Inside `lean` outputs of norms are rebuilt in the backward pass, and nothing else changes."""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

import pytest
import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils.checkpoint import checkpoint

import normkit as nk
from normkit.functional.activation import ACTIVATIONS
from normkit.kernels import lean as room

Around = Callable[[], AbstractContextManager[object]]


@pytest.fixture(params=["kernels", "formulas"])
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """Both ways of a call, the kernels and the plain formulas."""
    with nk.kernels.disabled() if request.param == "formulas" else nullcontext():
        yield request.param


class Block(nn.Module):
    """A residual block, whose last norm adds the shortcut."""

    def __init__(self, norm: Callable[..., nn.Module], channels: int = 4) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm1 = norm(channels, act="relu")
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = norm(channels, act="relu")

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(self.conv1(x))
        result: Tensor = self.norm2(self.conv2(y), residual=x)
        return result


class Network(nn.Module):
    """A stem, a max pool, residual blocks, one with a norm on its shortcut, and a linear layer."""

    def __init__(self, norm: Callable[..., nn.Module] = nk.nn.BatchNorm2d, blocks: int = 3) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3), norm(4, act="relu"), nn.MaxPool2d(2))
        self.shortcut = nn.Sequential(nn.Conv2d(4, 4, 1), norm(4))
        self.branch = nn.Sequential(nn.Conv2d(4, 4, 1))
        self.meet = norm(4, act="relu")
        self.blocks = nn.Sequential(*(Block(norm) for _ in range(blocks)))
        self.head = nn.Linear(4 * 25, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = self.blocks(self.meet(self.branch(x), residual=self.shortcut(x)))
        result: Tensor = self.head(x.flatten(1))
        return result


def group_norm(channels: int, **options: object) -> nn.Module:
    return nk.nn.GroupNorm(2, channels, **options)


def instance_norm(channels: int, **options: object) -> nn.Module:
    return nk.nn.InstanceNorm2d(channels, affine=True, track_running_stats=True, **options)


NORMS: dict[str, Callable[..., nn.Module]] = {
    "batch": nk.nn.BatchNorm2d,
    "group": group_norm,
    "instance": instance_norm,
}


def gradients(model: nn.Module, x: Tensor, around: Around) -> list[Tensor | None]:
    """Those of the input and all parameters of a copy of the model, and its buffers."""
    model, x = copy.deepcopy(model), x.detach().clone().requires_grad_()
    with around():
        y = model(x)
    y.backward(torch.randn(y.shape, generator=torch.manual_seed(1)).to(y))
    found = [x.grad, *(parameter.grad for parameter in model.parameters())]
    return [*found, *model.buffers()]


def assert_same(model: nn.Module, x: Tensor, around: Around = nk.lean) -> None:
    for inside, outside in zip(
        gradients(model, x, around), gradients(model, x, nullcontext), strict=True
    ):
        if outside is None:
            assert inside is None
        else:
            assert inside is not None
            assert torch.equal(inside, outside)


class Held:
    """Which outputs of a model's norms are still in memory."""

    def __init__(self, model: nn.Module) -> None:
        self._storages: list[StorageWeakRef] = []
        for module in model.modules():
            if hasattr(module, "act"):
                module.register_forward_hook(self._see)

    def _see(self, module: nn.Module, inputs: object, output: Tensor) -> None:
        self._storages.append(StorageWeakRef(output.untyped_storage()))

    def count(self) -> int:
        return sum(not storage.expired() for storage in self._storages)


IMAGES = torch.randn(2, 3, 12, 12, generator=torch.manual_seed(7))


# What it is for.


@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
def test_no_output_of_a_norm_is_in_memory_after_the_forward_pass(
    norm: Callable[..., nn.Module], way: str
) -> None:
    model = Network(norm)
    held = Held(model)
    without = model(IMAGES)
    assert held.count() > 0
    del without
    assert held.count() == 0
    with nk.lean():
        y = model(IMAGES)
    assert held.count() == 0
    y.sum().backward()
    assert held.count() == 0


def test_a_formula_keeps_what_goes_in_and_nothing_that_it_finds_on_its_way(way: str) -> None:
    layer = nk.nn.BatchNorm2d(4, act="silu")
    x = torch.randn(8, 4, 5, 5, requires_grad=True)
    kept: set[int] = set()
    with nk.lean():
        y = layer(x)
        ahead = [y.grad_fn]
        for tensor in ahead[0].saved_tensors:  # type: ignore[union-attr]
            if tensor is not None and tensor.numel() == x.numel():
                kept.add(tensor.untyped_storage().data_ptr())
    assert kept == {x.untyped_storage().data_ptr()}


# Exactness.


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
def test_gradients_are_the_same_bit_for_bit(
    norm: Callable[..., nn.Module], channels_last: bool, way: str
) -> None:
    model, x = Network(norm), IMAGES
    if channels_last:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        x = x.contiguous(memory_format=torch.channels_last)
    assert_same(model, x)


@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
def test_so_they_are_in_evaluation(norm: Callable[..., nn.Module], way: str) -> None:
    assert_same(Network(norm).eval(), IMAGES)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_so_they_are_in_other_precisions(dtype: torch.dtype, way: str) -> None:
    assert_same(Network().to(dtype), IMAGES.to(dtype))


def test_so_they_are_under_autocast(way: str) -> None:
    class Cast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = Network()

        def forward(self, x: Tensor) -> Tensor:
            with torch.autocast("cpu", torch.bfloat16):
                result: Tensor = self.network(x)
                return result

    model = Cast()
    held = Held(model)
    with nk.lean():
        y = model(IMAGES)
    assert held.count() == 0
    y.sum().backward()
    assert_same(Cast(), IMAGES)


@pytest.mark.parametrize("act", [None, *ACTIVATIONS, nn.LeakyReLU(0.3), nn.PReLU(), torch.tanh])
@pytest.mark.parametrize("with_residual", [False, True])
def test_so_they_are_with_every_activation(
    act: nk.functional.Activation, with_residual: bool, way: str
) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.consumer = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)
            self.norm = nk.nn.BatchNorm2d(4, act=act)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            y = self.norm(x, residual=x.sin() if with_residual else None)
            result: Tensor = self.consumer(y)
            return result

    assert_same(Model(), IMAGES)


class Shapes(nn.Module):
    """An output that is consumed many times, as it is and as views of many kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nk.nn.BatchNorm2d(3, act="silu")
        self.twice = nn.ModuleList(nk.nn.GroupNorm(1, 3, act="gelu") for _ in range(2))
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.linear = nn.Linear(3 * 144, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x * 1.5)
        a, b = (norm(self.conv(y), residual=y) for norm in self.twice)
        rows = y[:, 1:, ::2].transpose(1, 3)
        maps = rows * rows.exp() + y[:, :1, :1, :1].expand_as(rows) * y.unfold(2, 6, 6).mean()
        whole = torch.view_as_complex(y.unflatten(3, (6, 2))).abs().square()
        total: Tensor = self.linear((a * b).flatten(1)).sum() + maps.sum() + (whole * whole).sum()
        return total + (y.T.flatten() @ y.T.flatten())


@pytest.mark.filterwarnings("ignore:The use of `x.T`")
def test_so_they_are_for_views_and_an_output_with_many_consumers(way: str) -> None:
    if way == "kernels":
        assert_same(Shapes(), IMAGES)
        return
    # Here the gradients that meet in a tensor may be added up in another order.
    model = Shapes().double()
    x = IMAGES.double()
    pairs = zip(gradients(model, x, nk.lean), gradients(model, x, nullcontext), strict=True)
    for inside, outside in pairs:
        torch.testing.assert_close(inside, outside)


def test_so_they_are_through_a_norm_of_a_norm_added_to_what_it_normalises(way: str) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = (nk.nn.BatchNorm2d(3, act="relu") for _ in range(2))

        def forward(self, x: Tensor) -> Tensor:
            y = self.first(x)
            result: Tensor = self.second(y, residual=y).square()
            return result

    model, x = Model().double(), IMAGES.double()
    pairs = zip(gradients(model, x, nk.lean), gradients(model, x, nullcontext), strict=True)
    for inside, outside in pairs:
        torch.testing.assert_close(inside, outside)


def test_so_they_are_with_a_mask(way: str) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.conv = nk.nn.BatchNorm2d(3, act="relu"), nn.Conv2d(3, 3, 3)

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.conv(self.norm(x, mask=torch.tensor([True, False])))
            return result

    assert_same(Model(), IMAGES)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no GPU here")
@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
@pytest.mark.parametrize("autocast", [None, torch.float16, torch.bfloat16])
def test_so_they_are_on_a_gpu(norm: Callable[..., nn.Module], autocast: torch.dtype | None) -> None:
    class Cast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = Network(norm)

        def forward(self, x: Tensor) -> Tensor:
            with torch.autocast("cuda", autocast, enabled=autocast is not None):
                result: Tensor = self.network(x)
                return result

    model = Cast().cuda()
    held = Held(model)
    with torch.backends.cudnn.flags(deterministic=True), nk.lean():
        y = model(IMAGES.cuda())
    assert held.count() == 0
    y.sum().backward()
    with torch.backends.cudnn.flags(deterministic=True):
        assert_same(Cast().cuda(), IMAGES.cuda())


# What changes in place.


def consumed(weight: Tensor, y: Tensor) -> Tensor:
    """A consumer that saves `y` for the gradient of `weight`."""
    return (weight * y).sum()


def test_an_output_changed_before_it_is_consumed_is_kept_as_it_is(way: str) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.conv = nk.nn.BatchNorm2d(3), nn.Conv2d(3, 3, 3)

        def forward(self, x: Tensor) -> Tensor:
            y = self.norm(x)
            y[:, :1].mul_(2.0)
            result: Tensor = self.conv(torch.relu_(y))
            return result

    assert_same(Model(), IMAGES)


def test_one_changed_afterwards_is_rebuilt_as_it_was(way: str) -> None:
    layer, weight = nk.nn.BatchNorm2d(3), torch.randn(2, 3, 12, 12, requires_grad=True)
    with nk.lean():
        y = layer(IMAGES)
        before = y.detach().clone()
        loss = consumed(weight, y)
        y.add_(1)
    loss.backward()
    assert weight.grad is not None
    assert torch.equal(weight.grad, before)


@pytest.mark.parametrize("changed", ["input", "residual", "weight", "bias"])
def test_a_source_changed_since_raises_and_is_named(changed: str, way: str) -> None:
    layer = nk.nn.BatchNorm2d(3, act="relu")
    sources = {
        "input": IMAGES.clone(),
        "residual": torch.randn(IMAGES.shape),
        "weight": layer.weight,
        "bias": layer.bias,
    }
    weight = torch.ones(2, 3, 12, 12, requires_grad=True)
    with nk.lean():
        y = layer(sources["input"], residual=sources["residual"])
        loss = consumed(weight, y)
    with torch.no_grad():
        sources[changed].add_(1)
    with pytest.raises(RuntimeError, match=rf"from its {changed}, a float32 tensor .* version"):
        torch.autograd.grad(loss, weight)


def test_running_statistics_moved_since_raise_in_evaluation(way: str) -> None:
    layer, weight = nk.nn.BatchNorm2d(3).eval(), torch.ones(2, 3, 12, 12, requires_grad=True)
    with nk.lean():
        loss = consumed(weight, layer(IMAGES))
    layer.train()(IMAGES)
    with pytest.raises(RuntimeError, match="from its mean"):
        loss.backward()


def test_a_step_of_the_optimizer_before_the_backward_pass_raises(way: str) -> None:
    model = Network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with nk.lean():
        first, second = model(IMAGES).sum(), model(IMAGES).sum()
    first.backward()
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        second.backward()


def test_other_tensors_are_watched_as_outside() -> None:
    x = torch.randn(3, requires_grad=True)
    y = x * 1
    with nk.lean():
        loss = y.square().sum()
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


# What lives how long.


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


# Derivatives of derivatives.


@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
def test_second_derivatives_are_those_of_outside(norm: Callable[..., nn.Module], way: str) -> None:
    model = Network(norm, blocks=1).double()
    parameters = list(model.parameters())

    def penalties(around: Around) -> tuple[Tensor, ...]:
        with around():
            loss = model(IMAGES.double()).square().sum()
        first = torch.autograd.grad(loss, parameters, create_graph=True)
        penalty = sum((gradient.square().sum() for gradient in first), torch.zeros(()))
        return torch.autograd.grad(penalty, parameters)

    for inside, outside in zip(penalties(nk.lean), penalties(nullcontext), strict=True):
        torch.testing.assert_close(inside, outside)


def test_gradients_of_many_upstream_at_once(way: str) -> None:
    model = Network(blocks=1).double()
    parameters = list(model.parameters())

    def rows(around: Around) -> tuple[Tensor, ...]:
        with around():
            y = model(IMAGES.double())
        many = torch.eye(y.numel(), dtype=y.dtype).reshape(-1, *y.shape)
        return torch.autograd.grad(y, parameters, many, is_grads_batched=True)

    for inside, outside in zip(rows(nk.lean), rows(nullcontext), strict=True):
        torch.testing.assert_close(inside, outside)


# What is left alone.


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


# Entering and leaving.


def hooks() -> object:
    return torch._C._autograd._top_saved_tensors_default_hooks(False)


def test_it_ends_where_it_ends() -> None:
    assert hooks() is None
    with pytest.raises(KeyError), nk.lean():
        raise KeyError
    assert hooks() is None
    with nk.lean():
        with nk.lean():
            pass
        assert room.acts()
    assert hooks() is None
    assert not room.is_around()


def test_other_threads_are_not_inside() -> None:
    found: list[bool] = []
    with nk.lean():
        thread = threading.Thread(target=lambda: found.append(room.acts()))
        thread.start()
        thread.join()
    assert found == [False]


def test_the_backward_pass_may_be_in_another_thread(way: str) -> None:
    model = Network()
    expected = gradients(model, IMAGES, nullcontext)[1]
    with nk.lean():
        y = model(IMAGES)
    upstream = torch.randn(y.shape, generator=torch.manual_seed(1))
    thread = threading.Thread(target=y.backward, args=(upstream,))
    thread.start()
    thread.join()
    found = next(model.parameters()).grad
    assert found is not None
    assert expected is not None
    assert torch.equal(found, expected)


# What is told.


@pytest.mark.filterwarnings("ignore:<class 'torch.autograd.function.Function'> should not be")
def test_explain_tells_what_is_rebuilt_and_what_is_left_alone(way: str) -> None:
    layer = nk.nn.BatchNorm2d(3, act="relu")

    class Checkpointed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = checkpoint(layer, x, use_reentrant=False)
            return result

    assert "lean" not in str(nk.explain(layer, IMAGES))
    with nk.lean():
        assert str(nk.explain(layer, IMAGES)).endswith(
            "lean() rebuilds its output in the backward pass"
        )
        alone = "lean() leaves its output alone, since "
        assert f"{alone}a checkpointed region" in str(nk.explain(Checkpointed(), IMAGES))
        compiled = torch.compile(copy.deepcopy(layer), backend="eager")
        assert f"{alone}a compiled graph" in str(nk.explain(compiled, IMAGES))
        with torch.autograd.graph.save_on_cpu():
            assert f"{alone}other hooks" in str(nk.explain(layer, IMAGES))
        with torch.no_grad():
            assert f"{alone}no gradient" in str(nk.explain(layer, IMAGES))
    assert "lean" not in str(nk.explain(layer, IMAGES))
