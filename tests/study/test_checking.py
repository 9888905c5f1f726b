"""A first look tells what a user's network is, or why it is none for these data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from normkit.data import Dataset
from normkit.study import train
from normkit.study.spec import TrialSpec
from normkit.user_code import UserCodeError

HEAD = """
import torch
from torch import nn

class Wrong(nn.Module):
    def __init__(self, give):
        super().__init__()
        self.last, self.give = nn.Linear(64, 10), give
    def forward(self, x):
        return self.give(self.last(x.flatten(1)))
"""


@pytest.fixture
def look(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    digits: Dataset,
    trial: Callable[..., TrialSpec],
) -> Callable[..., dict[str, Any]]:
    """Looks at the network that a function of these arguments returns."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)

    def check(arguments: str, network: str, **changes: Any) -> dict[str, Any]:
        (tmp_path / "mine.py").write_text(f"{HEAD}\ndef make({arguments}): return {network}\n")
        spec = trial(kind="check", model="mine.py:make", depth=None, width=None, **changes)
        return train.run(spec, (), digits).probes

    return check


def test_tells_norms_and_parameters(look: Callable[..., dict[str, Any]]) -> None:
    network = "nn.Sequential(nn.Conv2d(1, 4, 3), norm(4), nn.Flatten(), nn.Linear(144, 10))"
    parameters = 40 + 8 + 1450
    assert look("norm", network) == {
        "asked": 1,
        "by": "factory",
        "norms": 1,
        "parameters": parameters,
    }
    assert look("norm", network, norm="none")["norms"] == 0


def test_tells_a_factory_that_takes_no_norm(look: Callable[..., dict[str, Any]]) -> None:
    network = "nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(64, num_classes))"
    found = look("num_classes", network)
    assert (found["asked"], found["by"], found["norms"]) == (1, "swap", 1)
    assert look("num_classes", network, norm="none")["norms"] == 0


def test_tells_a_network_without_a_place_for_a_norm(look: Callable[..., dict[str, Any]]) -> None:
    found = look("num_classes", "nn.Sequential(nn.Flatten(), nn.Linear(64, num_classes))")
    assert (found["asked"], found["by"], found["norms"]) == (None, "factory", 0)


def test_lazy_layers_are_given_their_shapes(look: Callable[..., dict[str, Any]]) -> None:
    network = "nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(10))"
    assert look("", network, init="he")["parameters"] == 40 + 1450


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ("nn.Linear(64, 10)", r"could not do a batch of images of shape \(4, 1, 8, 8\): Runtime"),
        ("nn.Conv2d(1, 10, 8)", r"here \(7, 10\); it returned \(7, 10, 1, 1\): end it with a lin"),
        ("Wrong(lambda y: y[:, :3])", r"here \(7, 10\); it returned \(7, 3\)"),
        ("Wrong(lambda y: (y, y))", "it returned a tuple: return one tensor"),
        ("Wrong(lambda y: y.argmax(1, keepdim=True).expand(-1, 10))", "it returned torch.int64"),
        ("Wrong(lambda y: y.view(8, 10))", r"shape \(4, 1, 8, 8\): RuntimeError: shape"),
        ("Wrong(lambda y: y.detach())", "gives no gradient to train by: RuntimeError"),
        ("Wrong(lambda y: 1 / 0)", r"ZeroDivisionError: division by zero \(mine.py:\d+\)"),
    ],
)
def test_what_is_no_network_for_these_data_is_told(
    look: Callable[..., dict[str, Any]], network: str, message: str
) -> None:
    with pytest.raises(UserCodeError, match=message):
        look("", network)
