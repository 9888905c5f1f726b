"""`nk.explain` tells which way a call goes, and leaves everything as it was."""

from __future__ import annotations

import pytest
import torch

import normkit as nk
from normkit import kernels

SHAPE = (4, 6, 5, 3)
built = pytest.mark.skipif(kernels.MISSING is not None, reason=str(kernels.MISSING))


@built
def test_it_tells_of_every_norm_in_a_model_in_order() -> None:
    model = torch.nn.Sequential(
        nk.nn.BatchNorm2d(6, act="relu"), torch.nn.Conv2d(6, 6, 1), nk.nn.GroupNorm(3, 6)
    )
    told = nk.explain(model, torch.randn(SHAPE))
    assert str(told) == (
        "batch_norm: a kernel for the CPU, norm + relu in one pass over contiguous float32\n"
        "group_norm: a kernel for the CPU, norm in one pass over contiguous float32"
    )
    assert told.is_fast


@built
def test_one_that_no_kernel_takes_makes_a_model_not_fast() -> None:
    model = torch.nn.Sequential(nk.nn.LayerNorm((5, 3)), nk.nn.GroupNorm(3, 6))
    x = torch.randn(SHAPE).contiguous(memory_format=torch.channels_last)
    told = nk.explain(model, x)
    assert not told.is_fast
    assert [choice.refusal is None for choice in told.choices] == [False, True]


def test_what_calls_no_such_formula_is_told() -> None:
    told = nk.explain(torch.nn.ReLU(), torch.randn(SHAPE))
    assert str(told) == "no formula that a kernel could take was called"
    assert not told.is_fast


class Raises(torch.nn.Module):
    """Draws random numbers, moves statistics, and raises."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nk.nn.BatchNorm2d(6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.norm(x + torch.randn_like(x))
        raise KeyError("on purpose")


def test_statistics_and_random_state_are_as_before() -> None:
    model = torch.nn.Sequential(nk.nn.BatchNorm2d(6), torch.nn.Dropout())
    _left_as_it_was(model)


def test_statistics_and_random_state_are_as_before_after_an_exception() -> None:
    with pytest.raises(KeyError, match="on purpose"):
        _left_as_it_was(Raises())


def _left_as_it_was(model: torch.nn.Module) -> None:
    model.train()
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    state = torch.get_rng_state()
    try:
        nk.explain(model, torch.randn(SHAPE, generator=torch.Generator()))
    finally:
        assert torch.equal(torch.get_rng_state(), state)
        for name, buffer in model.named_buffers():
            assert torch.equal(buffer, before[name]), name
        # Nobody observes any more.
        assert kernels.choice._observer is None


def test_no_graph_is_kept() -> None:
    layer = nk.nn.BatchNorm2d(6)
    x = torch.randn(SHAPE, requires_grad=True)
    nk.explain(layer, x)
    assert x.grad is None
    assert layer.weight.grad is None
