"""On a GPU the kernels compute the formulas, to the same bits each time, in graphs too.

What needs no GPU is tested in Triton's interpreter, by all other tests of kernels.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.kernels.calls import (
    LAYOUTS,
    METHODS,
    TOLERANCES,
    Method,
    agrees_with_float64,
    call,
    close,
    lies,
    plainly,
    taken,
)
from torch import Tensor, nn

import normkit as nk
from normkit.bench.cases import Case
from normkit.bench.contestants import contestants
from normkit.bench.measure import measure
from normkit.kernels.activation import NONE
from normkit.kernels.library import missing
from normkit.testing.problem import without_pytorchs_warnings

DEVICE = "cuda"
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no GPU here"),
    # Of PyTorch's compiler, on every GPU that has them.
    pytest.mark.filterwarnings("ignore:TensorFloat32 tensor cores"),
]
SHAPES = [(5, 6), (3, 6, 7), (4, 6, 5, 3), (2, 6, 2, 3, 4), (2, 519, 7, 7), (9, 66, 33, 29)]
SHAPE = (3, 6, 9, 7)
LARGE = (16, 96, 56, 56)
"""Many programs, and for a statistic many parts."""
methods = pytest.mark.parametrize("method", METHODS, ids=str)
layouts = pytest.mark.parametrize("layout", LAYOUTS)


@pytest.fixture(autouse=True)
def needs_kernels() -> None:
    """Those for the CPU are not needed here."""
    if (why := missing(torch.empty(0, device=DEVICE))) is not None:
        pytest.fail(why)


def needs(method: Method, shape: tuple[int, ...], layout: str) -> None:
    if not method.takes(shape, layout):
        pytest.skip(f"{method} does not take {shape}, {layout}")


class TestValues:
    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    @layouts
    @methods
    def test_on_every_shape_and_layout(
        self, method: Method, layout: str, shape: tuple[int, ...]
    ) -> None:
        needs(method, shape, layout)
        for residual in (False, True):
            options: dict[str, Any] = {"layout": layout, "residual": residual, "act": "relu"}
            agrees_with_float64(call(method, shape, device=DEVICE, **options))

    @pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
    @layouts
    @methods
    def test_in_every_precision(self, method: Method, layout: str, dtype: torch.dtype) -> None:
        needs(method, SHAPE, layout)
        for act in (None, "relu"):
            options: dict[str, Any] = {"layout": layout, "residual": True, "act": act}
            agrees_with_float64(call(method, SHAPE, dtype, device=DEVICE, **options))

    @pytest.mark.parametrize("act", ["leaky_relu", "relu6", "silu", "gelu", "hardswish"])
    @pytest.mark.parametrize("residual", [False, True], ids=["", "residual"])
    @pytest.mark.parametrize("method", ["batch", "channel_layer"])
    @layouts
    def test_with_every_activation(
        self, layout: str, method: str, residual: bool, act: str
    ) -> None:
        options: dict[str, Any] = {"layout": layout, "residual": residual, "act": act}
        agrees_with_float64(call(method, SHAPE, torch.bfloat16, device=DEVICE, **options))

    @pytest.mark.parametrize("mean", [0.0, 10.0, 1000.0])
    @layouts
    @methods
    def test_a_large_mean_costs_no_precision(
        self, method: Method, layout: str, mean: float
    ) -> None:
        needs(method, LARGE, layout)
        one = call(method, LARGE, layout=layout, mean=mean, device=DEVICE)
        with taken():
            got = one.output()
        # From the float32 values as they are: their own rounding is nobody's error.
        close(got, plainly(one.in_float64().output), 4e-6)


@layouts
def test_what_processes_do_by_themselves(layout: str) -> None:
    one = call("batch", (5, 70, 9, 7), layout=layout, mean=100.0, device=DEVICE)
    mean, variance = torch.ops.normkit.batch_moments(one.input)
    x = one.input.double()
    close(mean, x.mean((0, 2, 3)), 1e-7)
    close(variance, x.var((0, 2, 3), correction=0), 1e-5)
    tilt, offset = torch.randn(2, 70, device=DEVICE, dtype=torch.float64)
    found, _ = torch.ops.normkit.sync_batch_norm_backward(
        *(one.upstream, one.input, None, one.weight, one.bias, mean, variance, None),
        *(tilt, offset, 1e-5, NONE, 0.0, False),
    )

    def per_channel(vector: Tensor) -> Tensor:
        return vector.reshape(-1, 1, 1)

    scale = one.weight.double() * torch.rsqrt(variance + 1e-5)
    centred = x - per_channel(mean.float().double())
    right = per_channel(scale) * one.upstream.double() + per_channel(tilt) * centred
    close(found.double(), right + per_channel(offset), 1e-5)


@layouts
@methods
def test_the_bits_are_the_same_each_time(method: Method, layout: str) -> None:
    needs(method, LARGE, layout)
    options: dict[str, Any] = {"layout": layout, "residual": True, "act": "relu"}
    one = call(method, LARGE, torch.bfloat16, device=DEVICE, **options)
    first = one.results()
    for _ in range(5):
        for name, value in one.results().items():
            assert torch.equal(value, first[name]), name


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "batch": lambda: nk.nn.BatchNorm2d(6, act="relu"),
    "group": lambda: nk.nn.GroupNorm(3, 6, act="relu"),
    "channel_layer": lambda: nk.nn.LayerNorm2d(6, act="relu"),
}
layers = pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)


def network(layer: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    # Without a bias, whose gradient before a norm is nothing but roundings.
    first = nn.Conv2d(3, 6, 3, bias=False), layer()
    second = nn.Conv2d(6, 6, 3, bias=False), layer()
    return nn.Sequential(*first, *second).to(DEVICE)


def images(layout: str = "channels-last") -> Tensor:
    return lies(torch.randn(4, 3, 12, 12, device=DEVICE), layout)


@layers
def test_under_autocast_they_take_half_precision(layer: Callable[[], nn.Module]) -> None:
    model, x = network(layer).to(memory_format=torch.channels_last), images()
    with torch.autocast(DEVICE, torch.bfloat16), taken():
        y = model(x)
    assert y.dtype is torch.bfloat16
    upstream = torch.randn_like(y)
    found = torch.autograd.grad(y, list(model.parameters()), upstream)
    assert {gradient.dtype for gradient in found} == {torch.float32}
    with nk.kernels.disabled(), torch.autocast(DEVICE, torch.bfloat16):
        plain = model(x)
    expected = torch.autograd.grad(plain, list(model.parameters()), upstream)
    for got, right in zip((y, *found), (plain, *expected), strict=True):
        assert (got.float() - right.float()).norm() < 0.03 * right.float().norm() + 1e-3


def repeatable() -> Any:
    """cuDNN with the same bits each time."""
    return torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)


@layers
def test_a_graph_replays_what_a_step_does(layer: Callable[[], nn.Module]) -> None:
    model = network(layer)
    twin, static = copy.deepcopy(model), images()
    upstream = torch.randn_like(model.eval()(static))
    model.train()

    def step(of: nn.Module, x: Tensor) -> list[Tensor]:
        y = of(x)
        return [y, *torch.autograd.grad(y, list(of.parameters()), upstream)]

    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    kept = copy.deepcopy(model.state_dict())
    with torch.cuda.stream(beside), repeatable():
        for _ in range(3):
            step(model, static)
    torch.cuda.current_stream().wait_stream(beside)
    model.load_state_dict(kept)
    graph = torch.cuda.CUDAGraph()
    with repeatable(), torch.cuda.graph(graph):
        captured = step(model, static)
    for _ in range(2):
        x = images()
        static.copy_(x)
        graph.replay()
        with repeatable():
            expected = step(twin, x)
        for got, right in zip(captured, expected, strict=True):
            close(got, right, 1e-4)
    for name, value in twin.state_dict().items():
        close(model.state_dict()[name], value, 1e-5, name)


@layers
def test_the_compiler_sees_the_operators(layer: Callable[[], nn.Module]) -> None:
    model, x = layer().to(DEVICE), lies(torch.randn(4, 6, 9, 9, device=DEVICE), "channels-last")
    twin = copy.deepcopy(model)
    compiled = torch.compile(twin, fullgraph=True)
    upstream = torch.randn_like(x)
    results = []
    with without_pytorchs_warnings():
        for of in (model, compiled):
            leaf = x.clone().requires_grad_()
            y = of(leaf)
            results.append([y, *torch.autograd.grad(y, [leaf, *of.parameters()], upstream)])
    close(results[1], results[0], 1e-5)
    for name, value in model.state_dict().items():
        close(twin.state_dict()[name], value, 1e-6, name)


@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
def test_running_statistics_move_on_the_gpu_and_wait_for_nothing() -> None:
    layer, x = nk.nn.BatchNorm2d(6).to(DEVICE), torch.randn(4, 6, 9, 9, device=DEVICE)
    on_cpu = copy.deepcopy(layer).cpu().double()
    layer(x)  # Compiles.
    try:
        torch.cuda.set_sync_debug_mode("error")
        layer(x)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for _ in range(2):
        on_cpu(x.cpu().double())
    for name, value in on_cpu.state_dict().items():
        close(layer.state_dict()[name].cpu(), value, 1e-5, name)


def test_they_run_where_their_tensors_are() -> None:
    if torch.cuda.device_count() < 2:
        pytest.skip("there is one GPU")
    one = call("group", (4, 6, 5, 3), device="cuda:1", act="relu", residual=True)
    assert torch.cuda.current_device() == 0
    agrees_with_float64(one)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("method", ["batch", "group", "channel_layer"])
def test_a_bench_finds_every_path_right_and_times_it(method: str, residual: bool) -> None:
    case = Case(method, "channels_last", "bfloat16", (8, 32, 14, 14), residual, device=DEVICE)
    with without_pytorchs_warnings():
        rows = measure(case, contestants(case, compiled=True), 2)
    assert {row["reason"] for row in rows} == {None}
    names = [row["contestant"] for row in rows]
    assert names[-1] == "normkit"
    assert {"compile", "compile_max_autotune"} < set(names)
    assert "a kernel for the GPU" in rows[-1]["how"]
    for row in rows:
        assert row["median"] is not None
        assert row["host"] is not None
        assert 0 < row["median"] < 1
        assert 0 < row["host"] < 1
