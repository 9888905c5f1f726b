"""What must stay as it was when a surgery failed or was undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

Differences = Callable[[], list[str]]
Remember = Callable[..., Differences]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def remember() -> Remember:
    """Remembers a model and its optimizers; what it returns tells what is different by then."""
    return _remember


def _remember(
    model: torch.nn.Module, *optimizers: torch.optim.Optimizer, generators: bool = True
) -> Differences:
    before = _facts(model, optimizers)
    # Identities are told by address, so nothing may be freed in between.
    alive = [*model.modules(), *model.parameters(), *model.buffers()]
    random = torch.get_rng_state()

    def differences() -> list[str]:
        assert alive
        now = _facts(model, optimizers)
        told = [
            f"{key}: {before.get(key, 'was not there')} → {now.get(key, 'is gone')}"
            for key in dict.fromkeys([*before, *now])
            if not _same(before.get(key), now.get(key)) or (key in before) != (key in now)
        ]
        if generators and not torch.equal(random, torch.get_rng_state()):
            told.append("the random number generator was moved")
        return told

    return differences


def _facts(model: torch.nn.Module, optimizers: tuple[torch.optim.Optimizer, ...]) -> dict[str, Any]:
    facts: dict[str, Any] = {"state_dict": list(model.state_dict())}
    for name, module in model.named_modules(remove_duplicate=False):
        facts[f"{name} is"] = (id(module), type(module))
        for key, value in vars(module).items():
            if isinstance(value, dict):
                facts[f"{name}.{key}"] = [(each, id(what)) for each, what in value.items()]
            else:
                facts[f"{name}.{key}"] = value
        facts[f"{name} in training"] = module.training
    tensors: list[tuple[str, Tensor]] = [*model.named_parameters(), *model.named_buffers()]
    for name, tensor in tensors:
        facts[f"{name} holds"] = tensor.detach().clone()
        facts[f"{name} asks"] = (tensor.requires_grad, tensor.dtype, tensor.stride())
        facts[f"{name} has the gradient"] = None if tensor.grad is None else tensor.grad.clone()
    for index, optimizer in enumerate(optimizers):
        for number, group in enumerate(optimizer.param_groups):
            facts[f"optimizer {index}, group {number}"] = {
                key: [id(each) for each in value] if key == "params" else value
                for key, value in group.items()
            }
        for parameter, state in optimizer.state.items():
            for key, value in state.items():
                kept = value.clone() if isinstance(value, Tensor) else value
                facts[f"optimizer {index} remembers {key} of {id(parameter)}"] = kept
    return facts


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return torch.equal(one, other)
    return one is other or bool(one == other)
