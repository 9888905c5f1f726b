"""Which calls a kernel takes, and why it does not take the others."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from tests.kernels.calls import close
from torch.autograd import forward_ad

import normkit as nk
from normkit import kernels
from normkit.kernels import choice, library
from normkit.testing.problem import without_pytorchs_warnings

SHAPE = (4, 6, 5, 3)


class Wrapped(torch.Tensor):
    """A tensor that may mean anything."""


def layer(**options: object) -> nk.nn.BatchNorm2d:
    return nk.nn.BatchNorm2d(6, **options)


def refusal(call: Callable[[], object]) -> str | None:
    """Why no kernel took the one norm that is called; None where one did."""
    with kernels.observed() as choices:
        call()
    (choice,) = choices
    return choice.refusal


CALLS: dict[str, tuple[Callable[[], object], str]] = {
    "a mask": (
        lambda: layer()(torch.randn(SHAPE), mask=torch.tensor([True, True, True, False])),
        "no kernel leaves values out by a mask",
    ),
    "a transform": (
        lambda: torch.func.vmap(layer().eval())(torch.randn(2, *SHAPE)),
        "a transform of torch.func needs the formula itself",
    ),
    "a tensor of another class": (
        lambda: layer()(torch.randn(SHAPE).as_subclass(Wrapped)),
        "the input is a Wrapped",
    ),
    "a residual of another class": (
        lambda: layer()(torch.randn(SHAPE), residual=torch.randn(SHAPE).as_subclass(Wrapped)),
        "the residual is a Wrapped",
    ),
    "meta": (
        lambda: layer(device="meta")(torch.randn(SHAPE, device="meta")),
        "the kernels run on CPUs and CUDA GPUs; the input is on meta",
    ),
    "gaps": (
        lambda: layer()(torch.randn(*SHAPE, 2)[..., 0]),
        "the input is neither contiguous nor channels-last",
    ),
    "a transposed map": (
        lambda: layer()(torch.randn(4, 6, 3, 5).transpose(2, 3)),
        "the input is neither contiguous nor channels-last",
    ),
    "samples inside": (
        lambda: nk.nn.BatchNorm1d(6)(torch.randn(6, 4, 7).transpose(0, 1)),
        "the input is neither contiguous nor channels-last",
    ),
    "trailing dimensions of a channels-last map": (
        lambda: nk.nn.LayerNorm((5, 3))(
            torch.randn(SHAPE).contiguous(memory_format=torch.channels_last)
        ),
        "the input is not contiguous",
    ),
    "nothing": (
        lambda: layer().eval()(torch.randn(0, 6, 5, 3)),
        "the input is empty",
    ),
    "a residual in another precision": (
        lambda: layer()(torch.randn(SHAPE), residual=torch.randn(SHAPE).double()),
        "the residual has another shape, dtype or device than the input",
    ),
    "parameters with gaps": (
        lambda: nk.functional.group_norm(torch.randn(SHAPE), 3, torch.randn(12)[::2]),
        "weight, bias and statistics are to be contiguous vectors beside the input",
    ),
    "parameters of another class": (
        lambda: nk.functional.group_norm(
            torch.randn(SHAPE), 3, torch.randn(6).as_subclass(Wrapped)
        ),
        "weight, bias or statistics are a Wrapped",
    ),
    "statistics that ask for a gradient": (
        lambda: nk.functional.batch_norm(
            torch.randn(SHAPE), torch.zeros(6, requires_grad=True), torch.ones(6)
        ),
        "the statistics ask for a gradient",
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_refusal_tells_its_reason(name: str) -> None:
    call, reason = CALLS[name]
    assert refusal(call) == reason


def test_forward_mode_is_refused() -> None:
    def call() -> None:
        with forward_ad.dual_level():
            layer()(torch.randn(SHAPE))

    assert refusal(call) == "forward-mode differentiation needs the formula itself"


def test_an_exported_graph_is_refused() -> None:
    def call() -> None:
        torch.export.export(layer().eval(), (torch.randn(SHAPE),), strict=False)

    with kernels.observed() as choices:
        call()
    assert {choice.refusal for choice in choices} == {"an exported graph holds the formula itself"}


def test_a_traced_graph_holds_the_formula() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch means to give tracing up.
        traced = torch.jit.trace(layer().eval(), torch.randn(SHAPE))
    assert "normkit::" not in str(traced.inlined_graph)


def test_a_derivative_by_the_formula_chooses_nothing() -> None:
    for function, made in ALL_LAYERS.items():
        x = torch.randn(SHAPE, requires_grad=True)
        y = made(x)
        with kernels.observed() as choices:
            torch.autograd.grad(y, x, torch.ones_like(y), create_graph=True)
        assert choices == [], function


def test_a_switch_refuses_inside_and_may_be_nested() -> None:
    def call() -> object:
        return layer()(torch.randn(SHAPE))

    off = "the kernels are switched off here"
    with kernels.disabled():
        assert refusal(call) == off
        with kernels.disabled():
            assert refusal(call) == off
        assert refusal(call) == off
    assert refusal(call) is None


def test_a_switch_is_back_after_an_exception() -> None:
    with pytest.raises(KeyError), kernels.disabled():
        raise KeyError
    assert refusal(lambda: layer()(torch.randn(SHAPE))) is None


def test_a_parameter_is_an_input_like_others() -> None:
    x = torch.nn.Parameter(torch.randn(SHAPE))
    assert refusal(lambda: layer()(x)) is None
    assert refusal(lambda: layer()(x, residual=x)) is None


ALL_LAYERS = {
    "batch_norm": nk.nn.BatchNorm2d(6),
    "group_norm": nk.nn.GroupNorm(3, 6),
    "instance_norm": nk.nn.InstanceNorm2d(6),
    "channel_layer_norm": nk.nn.LayerNorm2d(6),
    "channel_rms_norm": nk.nn.RMSNorm2d(6),
    "layer_norm": nk.nn.LayerNorm((5, 3)),
    "rms_norm": nk.nn.RMSNorm((5, 3)),
}


@pytest.mark.parametrize("function", ALL_LAYERS)
def test_a_choice_tells_the_formula_and_what_the_kernel_does(function: str) -> None:
    x = torch.randn(SHAPE)
    with kernels.observed() as choices:
        ALL_LAYERS[function](x)
    assert choices == [
        kernels.Choice(
            function, None, "a kernel for the CPU, norm in one pass over contiguous float32"
        )
    ]


HOW = {
    ("relu", False): "norm + relu in one pass over contiguous float32",
    ("relu", True): "norm + residual + relu in one pass over contiguous float32",
    (torch.nn.LeakyReLU(0.2), False): "norm + LeakyReLU in one pass over contiguous float32",
    ("tanh", True): "norm + residual in one pass over contiguous float32, then tanh, which no "
    "kernel has",
}


@pytest.mark.parametrize("ending", HOW, ids=str)
def test_a_choice_tells_what_is_done_in_the_pass(ending: tuple[object, bool]) -> None:
    act, residual = ending
    x = torch.randn(SHAPE)
    with kernels.observed() as choices:
        layer(act=act)(x, residual=x if residual else None)
    assert choices[0].how == f"a kernel for the CPU, {HOW[ending]}"


def test_observers_may_be_nested() -> None:
    x = torch.randn(SHAPE)
    with kernels.observed() as outer:
        with kernels.observed() as inner:
            layer()(x)
        assert (len(inner), len(outer)) == (1, 0)
        layer()(x)
    layer()(x)
    assert (len(inner), len(outer)) == (1, 1)


def test_a_residual_in_the_other_layout_is_brought_into_that_of_the_input() -> None:
    x, residual = torch.randn(SHAPE), torch.randn(SHAPE)
    last = residual.contiguous(memory_format=torch.channels_last)
    made = layer(act="relu")
    close(made(x, residual=last), made(x, residual=residual))


class TestOnAGpu:
    """As far as it can be told without one."""

    @pytest.fixture(autouse=True)
    def _is_a_hopper(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(library, "_MISSING_ON_GPU", {})
        monkeypatch.setattr(library, "find_spec", lambda name: name)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "one of those")
        monkeypatch.setattr(torch.version, "hip", None)

    def test_there_are_kernels(self) -> None:
        assert library._missing_on_gpu(0) is None

    def test_an_old_one_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))
        assert "8.0 or later, which one of those has not" in str(library._missing_on_gpu(0))

    def test_one_of_amd_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.version, "hip", "7.0")
        assert "this PyTorch is for those of AMD" in str(library._missing_on_gpu(0))

    def test_without_triton_there_are_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(library, "find_spec", lambda _: None)
        assert "pip install triton" in str(library._missing_on_gpu(0))
        assert "pip install triton" in str(library.missing_on("cuda"))

    def test_each_is_asked_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[int] = []
        monkeypatch.setattr(
            torch.cuda, "get_device_capability", lambda i: asked.append(i) or (9, 0)
        )
        for index in (0, 1, 0):
            library._missing_on_gpu(index)
        assert asked == [0, 1]

    def test_the_compiler_takes_the_answer_as_a_constant(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(choice, "missing", lambda _: library._missing_on_gpu(0))
        made, x = layer(), torch.randn(SHAPE)
        with without_pytorchs_warnings():
            y = torch.compile(made, fullgraph=True, backend="aot_eager")(x)
        assert library._MISSING_ON_GPU == {0: None}
        close(y, layer()(x), 1e-5)
