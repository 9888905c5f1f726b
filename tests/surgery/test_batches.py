"""Batches as verbs take them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from normkit.surgery.batches import as_batches, inputs

X = torch.arange(12.0).view(6, 2)


@pytest.mark.parametrize("batch", [X, (X, 1), [X, X], (X,)], ids=["x", "(x, y)", "[x, y]", "(x,)"])
def test_a_batch_is_x_or_begins_with_it(batch: Any) -> None:
    (x,) = inputs("a verb", [batch], nn.Linear(2, 2))
    assert x is X


def test_a_loader_and_a_generator_are_batches() -> None:
    def data() -> Iterator[tuple[Tensor, int]]:
        yield X[:4], 0
        yield X[4:], 1

    loader = DataLoader(TensorDataset(X), batch_size=4)
    for batches in (loader, data()):
        assert [len(x) for x in inputs("a verb", batches, nn.Linear(2, 2))] == [4, 2]


def test_they_come_to_the_device_of_the_model() -> None:
    (x,) = inputs("a verb", [X], nn.Linear(2, 2, device="meta"))
    assert x.device.type == "meta"
    (x,) = inputs("a verb", [X], nn.ReLU())
    assert x is X


def test_they_are_taken_one_by_one() -> None:
    taken: list[int] = []

    def data() -> Iterator[Tensor]:
        for index in range(3):
            taken.append(index)
            yield X

    batches = inputs("a verb", data(), nn.ReLU())
    next(batches)
    assert taken == [0]


@pytest.mark.parametrize("data", [X, 3, None], ids=["a tensor", "a number", "nothing"])
def test_what_is_no_iterable_of_batches_is_refused_with_the_fix(data: Any) -> None:
    told = rf"a verb takes batches: .* got a {type(data).__name__}\. For a single .* write \[x\]"
    with pytest.raises(TypeError, match=told):
        next(inputs("a verb", data, nn.ReLU()))
    with pytest.raises(TypeError, match=told):
        as_batches("a verb", data)


@pytest.mark.parametrize("batch", [{"x": X}, (), "x", (1, X)])
def test_a_batch_that_does_not_begin_with_a_tensor_is_refused(batch: Any) -> None:
    with pytest.raises(TypeError, match=r"batches that are x or \(x, y\), with a tensor x"):
        next(inputs("a verb", [batch], nn.ReLU()))


def test_an_iterator_can_be_kept_to_be_gone_through_again() -> None:
    kept = as_batches("a verb", iter([X, (X, 1)]))
    assert [len(list(inputs("a verb", kept, nn.ReLU()))) for _ in range(2)] == [2, 2]
