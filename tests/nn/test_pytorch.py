"""A layer that PyTorch has is PyTorch's: its outputs, gradients, statistics and `state_dict`."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor

if TYPE_CHECKING:
    from tests.nn.conftest import Problem


def random_affine_(layer: torch.nn.Module) -> torch.nn.Module:
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    return layer


def gradients(y: Tensor, upstream: Tensor, x: Tensor, layer: torch.nn.Module) -> list[Tensor]:
    return list(torch.autograd.grad(y, [x, *layer.parameters()], upstream))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_output_and_gradients_are_those_of_pytorch(problem: Problem, dtype: torch.dtype) -> None:
    theirs = random_affine_(problem.theirs(dtype=dtype))
    ours = problem.ours(dtype=dtype)
    ours.load_state_dict(theirs.state_dict())
    x = problem.sample(dtype).requires_grad_()
    expected = problem.run_theirs(theirs, x)
    upstream = torch.randn_like(expected)
    y = ours(x)
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(
        gradients(y, upstream, x, ours),
        gradients(expected, upstream, x, theirs),
        rtol=1e-4 if dtype is torch.float32 else 1e-9,
        atol=1e-4 if dtype is torch.float32 else 1e-9,
    )


def test_in_evaluation_after_training_steps_it_still_equals_pytorch(problem: Problem) -> None:
    theirs, ours = problem.theirs(), problem.ours()
    for _ in range(3):
        x = problem.sample(torch.float32)
        ours(x), problem.run_theirs(theirs, x)
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())
    ours.eval(), theirs.eval()
    x = problem.sample(torch.float32)
    before = copy.deepcopy(ours.state_dict())
    torch.testing.assert_close(ours(x), problem.run_theirs(theirs, x))
    torch.testing.assert_close(ours.state_dict(), before, rtol=0, atol=0)


def test_state_dicts_load_both_ways(problem: Problem) -> None:
    theirs, ours = random_affine_(problem.theirs()), random_affine_(problem.ours(act="relu"))
    trained = ours.state_dict()
    assert list(trained) == list(theirs.state_dict())
    theirs.load_state_dict(trained, strict=True)
    fresh = problem.ours()
    fresh.load_state_dict(theirs.state_dict(), strict=True)
    for key, value in trained.items():
        assert torch.equal(fresh.state_dict()[key], value)


def test_it_is_an_instance_of_pytorchs_layer(problem: Problem) -> None:
    assert isinstance(problem.ours(), type(problem.theirs()))
