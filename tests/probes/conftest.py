"""A small network and a batch, and what must stay as it was when a probe has looked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
import torch
from torch import Tensor, nn

Batch = tuple[Tensor, Tensor]


@pytest.fixture
def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)
    )


@pytest.fixture
def batch() -> Batch:
    return torch.randn(8, 1, 8, 8), torch.randint(3, (8,))


@pytest.fixture
def untouched() -> Callable[[nn.Module], AbstractContextManager[None]]:
    """Asserts that a model is the same after a block: weights, buffers, gradients, modes, hooks."""

    @contextmanager
    def watching(model: nn.Module) -> Iterator[None]:
        state = {name: value.clone() for name, value in model.state_dict().items()}
        modes = [module.training for module in model.modules()]
        random = torch.random.get_rng_state()
        try:
            yield
        finally:
            assert all(
                torch.equal(value, state[name]) for name, value in model.state_dict().items()
            )
            assert [module.training for module in model.modules()] == modes
            assert all(parameter.grad is None for parameter in model.parameters())
            assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
            assert torch.equal(torch.random.get_rng_state(), random)

    return watching
