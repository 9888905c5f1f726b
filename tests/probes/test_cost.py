"""What a step costs is counted once each, and timed in turns."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from normkit.probes.cost import bytes_for_backward, seconds_in_turns

LOGITS = 8 * 3 * 4
"""Bytes of the logits' log-softmax, which cross-entropy keeps."""
DIVISOR = 4
"""Bytes of the number that cross-entropy divides by, which it keeps too."""


class Squares(nn.Module):
    """Keeps its input once per factor: as itself, twice, or as a view and itself."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        kept = x + 1  # a tensor of its own, 8 × 4 floats
        if self.how == "twice":
            y = kept * self.head.weight.sum() + kept.square()
        elif self.how == "view":
            y = kept.t().square().t() + kept.square()
        else:
            y = kept.square()
        return self.head(y)


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    return torch.randn(8, 4, requires_grad=True), torch.randint(3, (8,))


def test_parameters_and_the_batch_itself_do_not_count(batch: tuple[Tensor, Tensor]) -> None:
    held = bytes_for_backward(nn.Linear(4, 3), *batch)
    # The linear layer keeps its input and its weight: both are there anyway.
    assert held == LOGITS + DIVISOR


def test_a_layer_that_keeps_its_own_values_adds_them(batch: tuple[Tensor, Tensor]) -> None:
    plain = bytes_for_backward(nn.Linear(4, 3), *batch)
    more = bytes_for_backward(nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 3)), *batch)
    # tanh keeps its output, which the next layer keeps too: 8 × 4 floats, once.
    assert more - plain == 8 * 4 * 4


@pytest.mark.parametrize("how", ["twice", "view"])
def test_a_storage_that_is_kept_twice_counts_once(how: str, batch: tuple[Tensor, Tensor]) -> None:
    once = bytes_for_backward(Squares("once"), *batch)
    scalar = 4 if how == "twice" else 0
    assert bytes_for_backward(Squares(how), *batch) - once == scalar


def test_counts_the_same_twice_and_where_gradients_are_switched_off(
    batch: tuple[Tensor, Tensor],
) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3))
    first = bytes_for_backward(model, *batch)
    with torch.no_grad():
        assert bytes_for_backward(model, *batch) == first


def test_counting_leaves_the_model_as_it_was(batch: tuple[Tensor, Tensor]) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 3)).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    bytes_for_backward(model, *batch)
    assert not model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_steps_take_turns_and_another_one_goes_first_each_round() -> None:
    order: list[str] = []
    steps = {name: lambda name=name: order.append(name) for name in "abc"}
    seconds = seconds_in_turns(steps, rounds=3, warm_up=1)
    assert "".join(order) == "abc" + "abc" + "bca" + "cab"
    assert {name: len(values) for name, values in seconds.items()} == {"a": 3, "b": 3, "c": 3}
    assert all(value >= 0 for values in seconds.values() for value in values)
