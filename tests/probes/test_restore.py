"""Measuring a model leaves it as it was found, exception or not."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from normkit.probes.restore import unchanged


class Counter(nn.Module):
    """Puts another tensor in its buffer's place, instead of writing into it."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.tensor(0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls = self.calls + 1
        return x


@pytest.fixture
def model() -> nn.Module:
    model = nn.Sequential(
        nn.Linear(4, 4), nn.BatchNorm1d(4), Counter(), nn.Dropout(0.5), nn.Linear(4, 2)
    )
    model.train()
    model[1].eval()  # modes differ from module to module
    model(torch.randn(8, 4)).mul(torch.randn(8, 2)).sum().backward()
    return model


def state(model: nn.Module) -> dict[str, Any]:
    return {
        "state": {name: value.tolist() for name, value in model.state_dict().items()},
        "identity": [id(value) for value in model.state_dict(keep_vars=True).values()],
        "modes": [module.training for module in model.modules()],
        "gradients": [(id(p.grad), p.grad.tolist()) for p in model.parameters()],
        "random": torch.get_rng_state().tolist(),
    }


def disturb(model: nn.Module) -> None:
    model.train()
    model(torch.randn(8, 4)).square().sum().backward()
    model.eval()


def test_a_measurement_is_undone(model: nn.Module) -> None:
    before = state(model)
    with unchanged(model):
        disturb(model)
        assert state(model)["state"] != before["state"]
    assert state(model) == before


def test_a_measurement_that_raises_is_undone(model: nn.Module) -> None:
    def measure() -> None:
        with unchanged(model):
            disturb(model)
            raise ZeroDivisionError

    before = state(model)
    with pytest.raises(ZeroDivisionError):
        measure()
    assert state(model) == before


def test_the_block_starts_without_gradients(model: nn.Module) -> None:
    with unchanged(model):
        assert all(parameter.grad is None for parameter in model.parameters())


def test_a_parameter_without_gradient_has_none_afterwards() -> None:
    layer = nn.Linear(2, 2)
    with unchanged(layer):
        layer(torch.randn(3, 2)).square().sum().backward()
        assert layer.weight.grad is not None
    assert layer.weight.grad is None
