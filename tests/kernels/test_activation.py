"""Which activations a kernel applies itself, and what becomes of the others."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tests.kernels.calls import agrees_with_float64, call, close, taken

import normkit as nk
from normkit.functional.activation import ACTIVATIONS
from normkit.kernels.activation import fused

TAKEN = {"relu", "leaky_relu", "relu6", "silu", "gelu", "hardswish"}


class Loud(torch.nn.ReLU):
    """A ReLU of one's own, which may do anything."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) + 1


class Twice(torch.nn.Module):
    """An activation with a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(2.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor


OTHERS: list[Any] = [
    torch.nn.GELU(approximate="tanh"),
    torch.nn.LeakyReLU(-0.5),
    torch.nn.PReLU(),
    torch.nn.ELU(),
    torch.nn.Softplus(),
    Loud(),
    Twice(),
    lambda x: F.leaky_relu(x, 0.3),
]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_name_is_the_function_of_that_name(name: str) -> None:
    assert (fused(name) is not None) is (name in TAKEN)
    for residual in (False, True):
        agrees_with_float64(call("batch", (3, 6, 5, 4), act=name, residual=residual))


@pytest.mark.parametrize("act", OTHERS, ids=lambda act: type(act).__name__)
def test_another_is_applied_to_the_output_of_the_kernel(act: Any) -> None:
    assert fused(act) is None
    for residual in (False, True):
        one = call("layer", (3, 6, 5, 4), act=act, residual=residual)
        with taken():
            got = one.output()
        one.act = None
        close(got, act(one.output()))


def test_modules_of_pytorch_are_told_by_their_options() -> None:
    assert fused(torch.nn.LeakyReLU(0.2)).slope == 0.2
    assert fused(torch.nn.GELU()) == fused("gelu")
    assert fused(torch.nn.ReLU()) == fused(F.relu) == fused(torch.relu) == fused("relu")
    assert fused(torch.nn.Identity()) == fused(None)


@pytest.mark.parametrize("kind", ["forward", "forward_pre", "backward", "backward_pre"])
def test_a_hook_on_an_activation_sees_its_call(kind: str) -> None:
    act = torch.nn.ReLU()
    seen = []
    hooks = {
        "forward": act.register_forward_hook,
        "forward_pre": act.register_forward_pre_hook,
        "backward": act.register_full_backward_hook,
        "backward_pre": act.register_full_backward_pre_hook,
    }
    handle = hooks[kind](lambda *call: seen.append(call) and None)
    layer = nk.nn.BatchNorm2d(6, act=act)
    x = torch.randn(3, 6, 5, 4, requires_grad=True)
    layer(x).sum().backward()
    assert len(seen) == 1
    handle.remove()
    layer(x).sum().backward()
    assert len(seen) == 1
    assert fused(act) is not None


def test_a_hook_on_all_modules_sees_the_call_of_an_activation() -> None:
    seen = []
    handle = torch.nn.modules.module.register_module_forward_hook(
        lambda module, *call: seen.append(module) and None
    )
    try:
        act = torch.nn.ReLU()
        nk.nn.BatchNorm2d(6, act=act)(torch.randn(3, 6, 5, 4))
    finally:
        handle.remove()
    assert act in seen


def test_an_activation_in_place_changes_nothing_but_the_output() -> None:
    x = torch.randn(3, 6, 5, 4)
    before = x.clone()
    nk.nn.BatchNorm2d(6, act=torch.nn.ReLU(inplace=True))(x, residual=x)
    close(x, before)
