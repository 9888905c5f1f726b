"""What comes after a norm, and why it is left alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import normkit as nk
from normkit.surgery.following import Following, following


def after(then: Callable[[Tensor, Tensor], Any]) -> Following:
    """Of a norm after which a model does this with its output and the model's input."""

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm2d(3)

        def forward(self, x: Tensor) -> Any:
            return then(self.norm(x), x)

    model = Model()
    seen = nk.flow(model, torch.randn(4, 3, 5, 5))
    return following(seen, seen.calls_of(model.norm)[0], set())


def test_an_activation_alone() -> None:
    found = after(lambda y, x: torch.relu(y))
    assert (found.sum, str(found.act), found.reason) == (None, "relu", None)


def test_a_sum_and_the_activation_of_it() -> None:
    found = after(lambda y, x: torch.relu(x + y))
    assert (str(found.sum), str(found.act)) == ("add", "relu")


def test_a_sum_that_others_read_before_its_activation_is_taken_without_it() -> None:
    def block(y: Tensor, x: Tensor) -> Tensor:
        total = y + x
        return torch.relu(total) * total

    found = after(block)
    assert (str(found.sum), found.act) == ("add", None)


@pytest.mark.parametrize(
    ("then", "reason"),
    [
        (lambda y, x: y, "its output is the model's"),
        (lambda y, x: x + 1, "nothing that could be seen reads its output"),
        (lambda y, x: y.relu() + y.tanh(), "several calls read its output: relu, tanh"),
        (lambda y, x: torch.relu(y + y), "add takes its output twice"),
        (lambda y, x: y.mean(), "mean follows, which is neither a sum nor an activation"),
        (lambda y, x: y + x[:, :, :1, :1], "what is added to it has another shape"),
        (lambda y, x: (x * 2).add_(y), "it is added in place to another tensor"),
    ],
)
def test_whatever_else_is_left_alone_with_the_reason(
    then: Callable[[Tensor, Tensor], Any], reason: str
) -> None:
    found = after(then)
    assert (found.sum, found.act) == (None, None)
    assert str(found.reason).startswith(reason)
