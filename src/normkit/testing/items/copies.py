"""A `state_dict` and a deep copy give back the same layer."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch

from normkit.testing.problem import Problem, close, state_of

Twins = Callable[[torch.nn.Module, torch.nn.Module], dict[str, torch.nn.Module]]
"""A layer in use and a new one → copies of the first, by how they are made."""


def check(problem: Problem) -> None:
    """In training and in evaluation; nothing is shared with the original."""
    compare(problem, _copied)


def _copied(layer: torch.nn.Module, fresh: torch.nn.Module) -> dict[str, torch.nn.Module]:
    fresh.load_state_dict(copy.deepcopy(layer.state_dict()), strict=True)
    return {"state_dict": fresh, "deepcopy": copy.deepcopy(layer)}


def compare(problem: Problem, copies: Twins) -> None:
    """Raises unless copies compute what the original does, statistics included."""
    for training in (True, False):
        layer = problem.layer_in_use(act="gelu").train(training)
        twins = copies(layer, problem.make(act="gelu").train(training))
        before = state_of(layer)
        x = problem.sample(torch.float32)
        expected = layer(x)
        after = state_of(layer)
        for name, twin in twins.items():
            close(state_of(twin), before, told=f"state, {name}")
            close(twin(x), expected, told=f"output, {name}")
            close(state_of(twin), after, told=f"statistics, {name}")
            if _memory(twin) & _memory(layer):
                raise AssertionError(f"{name} shares memory with the original")


def _memory(layer: torch.nn.Module) -> set[int]:
    tensors = [*layer.parameters(), *layer.buffers()]
    return {tensor.untyped_storage().data_ptr() for tensor in tensors if tensor.numel()}
