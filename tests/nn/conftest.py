"""The layers that PyTorch has too: ours beside theirs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from normkit import nn

MAPS = {1: (7,), 2: (4, 3), 3: (2, 3, 2)}


@dataclass(frozen=True)
class Problem:
    id: str
    ours: Callable[..., torch.nn.Module]
    """Makes our layer; takes `act` and `dtype`."""
    theirs: Callable[..., torch.nn.Module]
    """Makes PyTorch's layer; takes `dtype`."""
    shape: tuple[int, ...]
    last: bool = False
    """Whether PyTorch's layer wants the channels last."""

    def sample(self, dtype: torch.dtype = torch.float64) -> Tensor:
        """An input whose channels are neither centred nor of unit variance."""
        return (torch.randn(self.shape, dtype=torch.float64) * 3 + 2).to(dtype)

    @property
    def dims(self) -> int:
        return len(self.shape) - 2

    def run_theirs(self, layer: torch.nn.Module, x: Tensor) -> Tensor:
        if self.last:
            return layer(x.movedim(1, -1)).movedim(-1, 1)
        return layer(x)


def _problems() -> list[Problem]:
    problems = []
    for dims, positions in MAPS.items():
        shape = (5, 6, *positions)
        ours = {name: getattr(nn, f"{name}{dims}d") for name in ("BatchNorm", "InstanceNorm")}
        theirs = {name: getattr(torch.nn, f"{name}{dims}d") for name in ours}
        channel_layer = getattr(nn, f"LayerNorm{dims}d")
        channel_rms = getattr(nn, f"RMSNorm{dims}d")
        problems += [
            Problem(
                f"batch-{dims}d",
                lambda make=ours["BatchNorm"], **k: make(6, **k),
                lambda make=theirs["BatchNorm"], **k: make(6, **k),
                shape=shape,
            ),
            Problem(
                f"instance-{dims}d",
                lambda make=ours["InstanceNorm"], **k: make(6, affine=True, **k),
                lambda make=theirs["InstanceNorm"], **k: make(6, affine=True, **k),
                shape=shape,
            ),
            Problem(
                f"group-{dims}d",
                lambda **k: nn.GroupNorm(3, 6, **k),
                lambda **k: torch.nn.GroupNorm(3, 6, **k),
                shape=shape,
            ),
            Problem(
                f"layer-{dims}d",
                lambda **k: nn.GroupNorm(1, 6, **k),
                lambda **k: torch.nn.GroupNorm(1, 6, **k),
                shape=shape,
            ),
            Problem(
                f"channel_layer-{dims}d",
                lambda make=channel_layer, **k: make(6, **k),
                lambda **k: torch.nn.LayerNorm(6, **k),
                shape=shape,
                last=True,
            ),
            Problem(
                f"rms-{dims}d",
                lambda make=channel_rms, **k: make(6, **k),
                lambda **k: torch.nn.RMSNorm(6, eps=1e-5, **k),
                shape=shape,
                last=True,
            ),
        ]
    features = (5, 6)
    problems += [
        Problem(
            "batch-features",
            lambda **k: nn.BatchNorm1d(6, **k),
            lambda **k: torch.nn.BatchNorm1d(6, **k),
            shape=features,
        ),
        Problem(
            "group-features",
            lambda **k: nn.GroupNorm(3, 6, **k),
            lambda **k: torch.nn.GroupNorm(3, 6, **k),
            shape=features,
        ),
        Problem(
            "channel_layer-features",
            lambda **k: nn.LayerNorm1d(6, **k),
            lambda **k: torch.nn.LayerNorm(6, **k),
            shape=features,
        ),
        Problem(
            "rms-features",
            lambda **k: nn.RMSNorm1d(6, **k),
            lambda **k: torch.nn.RMSNorm(6, eps=1e-5, **k),
            shape=features,
        ),
        Problem(
            "trailing_layer",
            lambda **k: nn.LayerNorm((4, 3), **k),
            lambda **k: torch.nn.LayerNorm((4, 3), **k),
            shape=(5, 6, 4, 3),
        ),
        Problem(
            "trailing_rms",
            lambda **k: nn.RMSNorm((4, 3), eps=1e-5, **k),
            lambda **k: torch.nn.RMSNorm((4, 3), eps=1e-5, **k),
            shape=(5, 6, 4, 3),
        ),
    ]
    return problems


PROBLEMS = _problems()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes a `problem` is run over all of them."""
    if "problem" in metafunc.fixturenames:
        metafunc.parametrize("problem", PROBLEMS, ids=lambda problem: problem.id)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)
