"""Every way to differentiate gives, where kernels run, what it gives where the formulas do."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from functorch.compile import make_boxed_func, min_cut_rematerialization_partition
from tests.kernels.calls import LAYOUTS, METHODS, Method, call, close, plainly, taken
from torch import Tensor
from torch._dynamo.backends.common import aot_autograd
from torch.autograd import forward_ad
from torch.utils.checkpoint import checkpoint

import normkit as nk
from normkit import kernels
from normkit.testing.problem import without_pytorchs_warnings

SHAPE = (3, 6, 4, 3)
ENDINGS: dict[str, tuple[Any, bool]] = {
    "plain": (None, False),
    "residual": (None, True),
    "relu": ("relu", False),
    "residual, relu": ("relu", True),  # Only signs are kept of what came before the activation.
    "residual, leaky_relu": (torch.nn.LeakyReLU(0.2), True),
    "residual, gelu": ("gelu", True),
}
methods = pytest.mark.parametrize("method", METHODS, ids=str)
endings = pytest.mark.parametrize("ending", ENDINGS)


def calls(method: Method, ending: str, dtype: torch.dtype = torch.float64) -> list[Any]:
    """In each layout that a kernel takes."""
    act, residual = ENDINGS[ending]
    layouts = LAYOUTS[:1] if method.is_trailing else LAYOUTS
    return [
        call(method, SHAPE, dtype, layout=layout, act=act, residual=residual) for layout in layouts
    ]


def as_function(one: Any) -> tuple[Callable[..., Tensor], list[Tensor]]:
    """A call as a function of the tensors that ask for a gradient, and these."""
    names = list(one.leaves())

    def function(*tensors: Tensor) -> Tensor:
        given = {**vars(one), **dict(zip(names, tensors, strict=True))}
        return type(one)(**given).output()

    return function, [getattr(one, name) for name in names]


@endings
@methods
def test_second_derivatives_are_those_of_the_function(method: Method, ending: str) -> None:
    for one in calls(method, ending):
        function, leaves = as_function(one)
        with taken():
            function(*leaves)
        torch.autograd.gradcheck(function, leaves, fast_mode=True)
        torch.autograd.gradgradcheck(function, leaves, fast_mode=True)


@endings
@methods
def test_a_penalty_on_gradients_has_the_gradients_of_the_formula(
    method: Method, ending: str
) -> None:
    for one in calls(method, ending, torch.float32):
        function, leaves = as_function(one)

        def penalised(
            one: Any = one, function: Any = function, leaves: list[Tensor] = leaves
        ) -> list[Tensor]:
            y = function(*leaves)
            first = torch.autograd.grad(y, leaves, one.upstream, create_graph=True)
            penalty = sum(gradient.square().sum() for gradient in first)
            return torch.autograd.grad(penalty, leaves, allow_unused=True, materialize_grads=True)

        close(penalised(), plainly(penalised), 1e-3)


@endings
@methods
def test_transforms_of_functions_are_those_of_the_formula(method: Method, ending: str) -> None:
    for one in calls(method, ending):
        function, leaves = as_function(one)
        points = tuple(leaf.detach() for leaf in leaves)
        directions = tuple(torch.randn_like(point) for point in points)
        several = tuple(torch.stack([point, point + 1]) for point in points)

        def loss(*tensors: Tensor, function: Any = function) -> Tensor:
            return function(*tensors).sin().sum()

        every = tuple(range(len(points)))
        ways: dict[str, Callable[[], Any]] = {
            "jvp": lambda f=function, p=points, d=directions: torch.func.jvp(f, p, d),
            "vmap": lambda f=function, s=several: torch.func.vmap(f)(*s),
            "jacrev": lambda f=function, p=points: torch.func.jacrev(f)(*p),
            "jacfwd": lambda f=function, p=points: torch.func.jacfwd(f)(*p),
            "grad": lambda g=loss, p=points, e=every: torch.func.grad(g, e)(*p),
            "gradients of each": lambda g=loss, s=several, e=every: torch.func.vmap(
                torch.func.grad(g, e)
            )(*s),
        }
        with without_pytorchs_warnings():
            for name, way in ways.items():
                close(way(), plainly(way), 1e-9, name)


@endings
@methods
def test_forward_mode_gives_the_tangent_of_the_formula(method: Method, ending: str) -> None:
    for one in calls(method, ending):
        function, leaves = as_function(one)
        directions = [torch.randn_like(leaf) for leaf in leaves]

        def tangent(function: Any = function, pairs: Any = (leaves, directions)) -> Any:
            with forward_ad.dual_level():
                dual = [forward_ad.make_dual(*pair) for pair in zip(*pairs, strict=True)]
                return forward_ad.unpack_dual(function(*dual))

        close(tangent(), plainly(tangent), 1e-9)


@endings
@methods
def test_several_upstream_gradients_at_once_are_batched(method: Method, ending: str) -> None:
    for one in calls(method, ending):
        upstreams = torch.stack([torch.randn_like(one.input) for _ in range(3)])
        leaves = list(one.leaves().values())

        def batched(one: Any = one, leaves: Any = leaves, upstreams: Any = upstreams) -> Any:
            return torch.autograd.grad(one.output(), leaves, upstreams, is_grads_batched=True)

        with without_pytorchs_warnings():
            close(batched(), plainly(batched), 1e-9)


@pytest.mark.parametrize("use_reentrant", [False, True])
@endings
@methods
def test_checkpoints_give_the_same_bits(method: Method, ending: str, use_reentrant: bool) -> None:
    for one in calls(method, ending, torch.float32):
        function, leaves = as_function(one)
        expected = one.results()
        y = checkpoint(function, *leaves, use_reentrant=use_reentrant)
        close(y, expected.pop("output"))
        y.backward(one.upstream)
        close({name: leaf.grad for name, leaf in one.leaves().items()}, expected)


@endings
@methods
def test_the_output_may_be_changed_in_place(method: Method, ending: str) -> None:
    for one in calls(method, ending, torch.float32):
        leaves = list(one.leaves().values())
        y = one.output()
        y.add_(1).relu_()
        got = torch.autograd.grad(y, leaves, one.upstream)
        # PyTorch's ReLU asks its own output for its derivative, so that may not be changed.
        with kernels.disabled():
            expected = (one.output() + 1).relu()
        close(y, expected, 2e-5)
        close(got, torch.autograd.grad(expected, leaves, one.upstream), 2e-5)


@endings
@methods
def test_an_input_that_was_changed_in_place_is_refused_in_the_backward(
    method: Method, ending: str
) -> None:
    for one in calls(method, ending):
        x = one.input.detach().clone(memory_format=torch.preserve_format)
        one.input = x.requires_grad_()
        y = one.output()
        with torch.no_grad():
            one.input.add_(1)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.backward(one.upstream)


def test_a_residual_that_is_not_asked_again_may_be_changed_in_place() -> None:
    one = call("batch", SHAPE, act="relu", residual=True)
    expected = one.results()
    y = one.output()
    with torch.no_grad():
        one.residual.add_(1)
    leaves = list(one.leaves().values())
    close(torch.autograd.grad(y, leaves, one.upstream), tuple(expected.values())[1:])


def test_a_backward_runs_twice_where_the_graph_is_retained() -> None:
    one = call("batch", SHAPE, act="relu", residual=True)
    y, leaves = one.output(), list(one.leaves().values())
    first = torch.autograd.grad(y, leaves, one.upstream, retain_graph=True)
    close(torch.autograd.grad(y, leaves, one.upstream), first)
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        torch.autograd.grad(y, leaves, one.upstream)


def test_the_same_tensor_may_be_input_and_residual() -> None:
    for name in ("batch", "layer", "channel_layer"):
        one = call(name, SHAPE, act="relu")
        one.residual = one.input

        def gradient(one: Any = one) -> Any:
            return torch.autograd.grad(one.output(), one.input, one.upstream)

        close(gradient(), plainly(gradient), 2e-5)


LAYERS: dict[str, Callable[..., torch.nn.Module]] = {
    "batch": lambda **k: nk.nn.BatchNorm2d(6, **k),
    "group": lambda **k: nk.nn.GroupNorm(3, 6, **k),
    "instance": lambda **k: nk.nn.InstanceNorm2d(6, affine=True, **k),
    "channel_layer": lambda **k: nk.nn.LayerNorm2d(6, **k),
    "channel_rms": lambda **k: nk.nn.RMSNorm2d(6, **k),
}
layers = pytest.mark.parametrize("layer", LAYERS)


@layers
def test_autocast_leaves_a_norm_in_the_precision_that_it_is_given(layer: str) -> None:
    made = LAYERS[layer](act="relu")
    for dtype in (torch.float32, torch.bfloat16):
        x = torch.randn(SHAPE).to(dtype).requires_grad_()
        upstream = torch.randn(SHAPE).to(dtype)
        with torch.autocast("cpu", torch.bfloat16):
            y = made(x)
        expected = made(x)
        assert y.dtype is dtype
        close(y, expected)
        leaves = [x, *made.parameters()]
        close(
            torch.autograd.grad(y, leaves, upstream),
            torch.autograd.grad(expected, leaves, upstream),
        )


@layers
def test_autocast_between_a_convolution_and_a_norm(layer: str) -> None:
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 6, 3), LAYERS[layer](act="relu"))
    x = torch.randn(2, 3, 8, 8)

    def trained() -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            y = model(x)
        return y, torch.autograd.grad(y.float().square().sum(), list(model.parameters()))

    (y, gradients), (expected, plain_gradients) = trained(), plainly(trained)
    assert y.dtype is torch.bfloat16
    close(y, expected, 2**-6)
    close(gradients, plain_gradients, 2**-4)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
@layers
def test_copies_of_a_layer_that_has_run_compute_the_same(
    layer: str, copied: Callable[[torch.nn.Module], torch.nn.Module]
) -> None:
    made = LAYERS[layer](act=torch.nn.LeakyReLU(0.2))
    x = torch.randn(SHAPE)
    made(x, residual=x)
    twin = copied(made)
    with taken():
        close(twin(x, residual=x), made(x, residual=x))


@pytest.mark.parametrize("layout", LAYOUTS)
@layers
def test_a_compiled_graph_holds_the_kernel(layer: str, layout: str) -> None:
    form = torch.channels_last if layout == "channels-last" else torch.contiguous_format
    graphs: list[str] = []

    def collected(graph: torch.fx.GraphModule, inputs: Any) -> Any:
        graphs.append(graph.code)
        return make_boxed_func(graph)

    backend = aot_autograd(fw_compiler=collected, partition_fn=min_cut_rematerialization_partition)
    for act, residual in (("relu", True), ("gelu", False)):
        torch._dynamo.reset()
        eager = LAYERS[layer](act=act)
        made = copy.deepcopy(eager)
        x = torch.randn(SHAPE).contiguous(memory_format=form).requires_grad_()
        given = {"residual": torch.randn_like(x)} if residual else {}
        upstream = torch.randn_like(x)
        with without_pytorchs_warnings():
            y = torch.compile(made, backend=backend, fullgraph=True)(x, **given)
            assert y.stride() == x.stride()
            got = torch.autograd.grad(y, [x, *made.parameters()], upstream)
        expected = eager(x, **given)
        close(y, expected, 1e-6)
        close(got, torch.autograd.grad(expected, [x, *eager.parameters()], upstream), 1e-5)
        close(dict(made.named_buffers()), dict(eager.named_buffers()), 1e-6)
        forward, backward = graphs[-2:]
        assert "torch.ops.normkit" in forward
        assert "_norm_backward.default" in backward


@layers
def test_an_exported_graph_holds_the_formula(layer: str) -> None:
    made = LAYERS[layer](act="relu").eval()
    x = torch.randn(SHAPE)
    with without_pytorchs_warnings():
        program = torch.export.export(made, (x,))
    targets = {str(node.target) for node in program.graph.nodes}
    assert not [target for target in targets if "normkit" in target]
    close(program.module()(x), made(x), 2e-5)
