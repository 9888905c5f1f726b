"""Inside `lean` no output of a norm is kept for the backward pass, and nothing in its place."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from tests.kernels.interpreter import HOLDS
from tests.kernels.lean.networks import IMAGES, NORMS, Held, Network
from torch import nn

import normkit as nk


@HOLDS
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
