"""Layers that are given another class and stay what they are."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

from normkit.surgery.derived import Derived, derived, own_class


class Loud(Derived):
    prefix = "Loud"

    def extra_repr(self) -> str:
        return super().extra_repr().upper()  # type: ignore[misc]


class Doubled(Derived):
    prefix = "Doubled"

    def forward(self, *arguments: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(*arguments)  # type: ignore[misc]


def layer(*added: type[Derived]) -> nn.Conv2d:
    conv = nn.Conv2d(3, 4, 1)
    for what in added:
        conv.__class__ = derived(what, type(conv))
    return conv


def test_what_is_added_comes_before_the_layers_own() -> None:
    conv = nn.Conv2d(3, 4, 1)
    x = torch.randn(2, 3, 5, 4)
    before = conv(x)
    conv.__class__ = derived(Doubled, nn.Conv2d)
    torch.testing.assert_close(conv(x), 2 * before)
    assert isinstance(conv, nn.Conv2d)
    assert type(conv).__name__ == "DoubledConv2d"


def test_the_class_is_always_the_same_one() -> None:
    assert type(layer(Loud, Doubled)) is type(layer(Loud, Doubled))
    assert type(layer(Loud, Doubled)) is not type(layer(Doubled, Loud))


def test_the_layers_own_class_is_found_under_several() -> None:
    assert own_class(layer(Loud, Doubled)) is nn.Conv2d
    assert own_class(nn.ReLU()) is nn.ReLU


@pytest.mark.parametrize("added", [(Doubled,), (Loud, Doubled), (Doubled, Loud)])
def test_copies_and_pickles_are_of_the_same_class(added: tuple[type[Derived], ...]) -> None:
    conv, x = layer(*added), torch.randn(2, 3, 5, 4)
    for other in (copy.deepcopy(conv), pickle.loads(pickle.dumps(conv)), copy.copy(conv)):
        assert type(other) is type(conv)
        torch.testing.assert_close(other(x), conv(x), rtol=0, atol=0)
        assert other.extra_repr() == conv.extra_repr()
    assert copy.deepcopy(conv).weight is not conv.weight
