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


RESNET = """
class ResNet(nn.Linear):
    def __init__(self, layers, num_classes=1000, norm_layer=None):
        super().__init__(layers, num_classes)
        self.last = norm_layer

def _resnet(layers, **kwargs):
    return ResNet(layers, **kwargs)
"""


@pytest.mark.parametrize(
    ("text", "classes", "norms"),
    [
        (
            "def make(*, weights=None, progress=True, **kwargs): return _resnet(4, **kwargs)",
            3,
            None,
        ),
        ("def make(norm, **kwargs): return _resnet(4, norm_layer=norm(8), **kwargs)", 3, 1),
        ("def make(**given): return _resnet(4, norm_layer=given.pop('norm')(8), **given)", 3, 1),
        ("def make(**given): return _resnet(4, num_classes=7, **given)", 7, None),
        ("def make(**given): return ResNet(4, given['num_classes'], given['norm'](8))", 3, 1),
    ],
)
def test_what_goes_through_kwargs_is_left_out_where_it_is_not_taken(
    made: Callable[..., object], text: str, classes: int, norms: int | None
) -> None:
    found = made(f"{RESNET}\n{text}")
    assert (found.model.out_features, found.norms) == (classes, norms)


def test_a_factory_that_uses_norm_and_hands_it_on_as_well_is_told(
    made: Callable[..., object],
) -> None:
    message = r"KeyError: 'norm' .*, without in_channels, norm, which it did not take: write a"
    with pytest.raises(UserCodeError, match=message):
        made(f"{RESNET}\ndef make(**given): return given['norm'](8) and _resnet(4, **given)")


def test_what_is_named_is_never_left_out(made: Callable[..., object]) -> None:
    with pytest.raises(UserCodeError, match="unexpected keyword argument 'norm'"):
        made(f"{RESNET}\ndef make(norm, **given): return _resnet(4, norm=norm)")


def test_a_factory_that_takes_kwargs_is_told_to_name_what_it_takes(
    made: Callable[..., object],
) -> None:
    message = (
        r"KeyError: 'width' \(mine.py:2\); it takes \*\*kwargs and was called with num_classes, "
        "in_channels, norm: write a function that names those of num_classes, in_channels, norm"
    )
    with pytest.raises(UserCodeError, match=message):
        made("def make(**given): return given['width']")


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
