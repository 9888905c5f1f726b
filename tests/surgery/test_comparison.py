"""How far two outputs are apart."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from normkit.surgery.comparison import check_close, difference_at, largest, relative
from normkit.surgery.passes import Outputs

INFINITE, NAN = float("inf"), float("nan")


@dataclass
class Result:
    logits: Tensor
    name: str = "a"


@pytest.mark.parametrize(
    ("after", "before", "expected"),
    [
        ([1.0, 3.0], [1.0, 2.0], 0.5),
        ([1.0, -4.0], [1.0, -4.0], 0.0),
        ([0.0, 0.5], [0.0, 0.0], 0.5),
        ([NAN, 1.0], [NAN, 1.0], 0.0),
        ([INFINITE, 1.0], [INFINITE, 2.0], 0.5),
        ([INFINITE, 1.0], [-INFINITE, 1.0], INFINITE),
        ([NAN, 1.0], [1.0, 1.0], INFINITE),
        ([1.0, 1.0], [NAN, 1.0], INFINITE),
        ([], [], 0.0),
    ],
)
def test_the_distance_is_relative_to_the_largest_value(
    after: list[float], before: list[float], expected: float
) -> None:
    assert relative(torch.tensor(after), torch.tensor(before)) == expected


def test_half_precision_is_compared_in_double() -> None:
    one, other = torch.tensor([60000.0]).half(), torch.tensor([-60000.0]).half()
    assert relative(one, other) == 2.0


def test_complex_outputs_are_compared() -> None:
    assert relative(torch.tensor([1 + 1j]), torch.tensor([1 + 0j])) == pytest.approx(1.0)


def test_what_has_no_distance_does_not_count() -> None:
    assert relative(torch.tensor([1]), torch.tensor([3])) == 0.0


@pytest.mark.parametrize(
    "wrap",
    [
        lambda y: y,
        lambda y: (torch.zeros(2), y),
        lambda y: {"a": [y]},
        lambda y: Result(y),
        lambda y: [Result(y), "text", None],
    ],
)
def test_outputs_are_compared_whatever_holds_them(wrap: Any) -> None:
    assert largest(wrap(torch.tensor([1.0, 3.0])), wrap(torch.tensor([1.0, 2.0]))) == 0.5


def test_the_largest_difference_of_several_counts() -> None:
    after = [torch.tensor([1.0]), torch.tensor([30.0]), torch.tensor([1.0])]
    before = [torch.tensor([1.0]), torch.tensor([10.0]), torch.tensor([2.0])]
    assert largest(after, before) == 2.0
    assert isnan(largest([], []))


def test_outputs_of_other_shapes_or_numbers_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"had the shape \(3,\) and now has \(2,\)"):
        largest(torch.zeros(2), torch.zeros(3))
    with pytest.raises(ValueError, match="argument"):
        largest([torch.zeros(2)], [torch.zeros(2), torch.zeros(2)])


def test_a_layer_is_compared_over_all_its_calls() -> None:
    layer, other = nn.ReLU(), nn.Tanh()
    before = Outputs(None, {layer: [torch.ones(2), torch.ones(2)], other: [torch.ones(2)]})
    after = Outputs(None, {layer: [torch.ones(2), torch.full((2,), 1.5)], other: [torch.ones(3)]})
    assert difference_at(layer, after, before) == 0.5
    assert difference_at(other, after, before) is None
    assert difference_at(nn.ReLU(), after, before) is None


def test_a_surgery_that_changes_the_output_is_refused() -> None:
    check_close("verb_", 9e-4, torch.zeros(2))
    with pytest.raises(ValueError, match="finds no tensor in it: a list"):
        check_close("verb_", largest([], []), [])
    for difference in (2e-3, INFINITE):
        with pytest.raises(ValueError, match="verb_ leaves what a model computes as it is"):
            check_close("verb_", difference, torch.zeros(2))


def test_half_precision_is_allowed_its_rounding() -> None:
    check_close("verb_", 0.01, {"y": torch.zeros(2).half(), "n": torch.zeros(2).long()})
    with pytest.raises(ValueError, match="allowed: 2e-02"):
        check_close("verb_", 0.03, torch.zeros(2).half())


def test_rounding_that_is_not_finite_allows_nothing() -> None:
    with pytest.raises(ValueError, match="allowed: 1e-03"):
        check_close("verb_", 0.5, torch.zeros(2), rounding=lambda: INFINITE)


def test_what_multiplies_roundings_is_allowed_more() -> None:
    check_close("verb_", 0.01, torch.zeros(2), rounding=lambda: 1e-3)
    with pytest.raises(ValueError, match="allowed: 2e-02"):
        check_close("verb_", 0.03, torch.zeros(2), rounding=lambda: 1e-3)
