"""A user's factory is called with what it accepts, and told what it must return."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from normkit.models import from_factory
from normkit.models.factory import accepted
from normkit.user_code import UserCodeError

SIZES = {"num_classes": 3, "in_channels": 1}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """Makes a network with the factory that a text defines as `make`."""
    monkeypatch.syspath_prepend(tmp_path)  # undone with all that is added to the path
    monkeypatch.chdir(tmp_path)

    def make(text: str, norm: object = "batch", name: str = "make") -> object:
        (tmp_path / "mine.py").write_text(f"from torch import nn\n{text}\n")
        return from_factory(f"mine.py:{name}", **SIZES, norm=norm)  # type: ignore[arg-type]

    return make


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (lambda: None, set()),
        (lambda num_classes: None, {"num_classes"}),
        (lambda *, norm, in_channels=1, other=2: None, {"norm", "in_channels"}),
        (lambda width=3, *rest, **more: None, {"num_classes", "in_channels", "norm"}),
        (torch.nn.Identity, {"num_classes", "in_channels", "norm"}),
    ],
)
def test_a_factory_gets_what_it_accepts(function: Callable[..., object], names: set[str]) -> None:
    assert accepted(function, "it") == names


@pytest.mark.parametrize(
    ("function", "missing"),
    [(lambda width, norm: None, "width"), (lambda num_classes, /: None, "num_classes")],
)
def test_what_it_requires_beyond_is_refused(function: Callable[..., object], missing: str) -> None:
    with pytest.raises(UserCodeError, match=f"it also requires '{missing}': give it a default"):
        accepted(function, "it")


@pytest.mark.parametrize(
    ("norm", "layer"), [("batch", "BatchNorm2d"), ("group", "GroupNorm"), ("none", "Identity")]
)
def test_norm_makes_the_layer_of_the_arm(
    made: Callable[..., object], norm: str, layer: str
) -> None:
    found = made(
        "def make(num_classes, in_channels, norm):\n"
        "    return nn.Sequential(nn.Conv2d(in_channels, 4, 3), norm(4), norm(4, dims=1),\n"
        "                         nn.Linear(4, num_classes))",
        norm,
    )
    assert type(found.model[1]).__name__ == layer
    assert found.model[0].in_channels == 1
    assert found.model[3].out_features == 3
    assert found.norms == 2


def test_a_class_is_a_factory(made: Callable[..., object]) -> None:
    found = made("class Net(nn.Linear):\n    def __init__(self, num_classes):\n"
                 "        super().__init__(4, num_classes)", name="Net")  # fmt: skip
    assert type(found.model).__name__ == "Net"


@pytest.mark.parametrize(
    ("arguments", "norms"), [("num_classes", None), ("num_classes, norm", 0), ("**given", 0)]
)
def test_it_is_known_whether_norm_is_taken_and_called(
    made: Callable[..., object], arguments: str, norms: int | None
) -> None:
    assert made(f"def make({arguments}): return nn.Linear(4, 3)").norms == norms


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def make(): return 3", "must return a torch.nn.Module; it returned a int"),
        ("def make(): return nn.Linear", "must return a torch.nn.Module; it returned a type"),
        ("def make(): return nn.ReLU()", "the ReLU it returned has none"),
        ("def make(): 1 / 0", r"could not make its network: ZeroDivisionError: .*\(mine.py:2\)"),
        ("def make(): exit(3)", r"could not make its network: SystemExit: 3"),
        ("def make(norm): return norm('many')", "could not make its network: ValueError: channels"),
    ],
)
def test_what_makes_no_network_is_told(
    made: Callable[..., object], text: str, message: str
) -> None:
    with pytest.raises(UserCodeError, match=message):
        made(text)
