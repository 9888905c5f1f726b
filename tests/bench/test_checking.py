"""A wrong output, gradient or statistic is an error; rounding is not."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from normkit.bench import checking
from normkit.bench.cases import Case
from normkit.bench.inputs import inputs

CASE = Case("batch", "contiguous", "float32", (3, 4, 5, 3), residual=True)


@pytest.fixture
def right() -> dict[str, Tensor]:
    return checking.expected(CASE, inputs(CASE))


def test_what_is_right_has_no_error(right: dict[str, Tensor]) -> None:
    assert checking.error(right, right) == 0


def test_everything_of_a_training_step_is_checked(right: dict[str, Tensor]) -> None:
    assert set(right) == {
        *("output", "input", "residual", "weight", "bias", "running_mean", "running_var")
    }
    for name in right:
        wrong = {**right, name: right[name] * 1.5}
        assert checking.error(wrong, right) == pytest.approx(0.5), name


def test_in_inference_there_is_an_output() -> None:
    case = Case("batch", "contiguous", "float32", CASE.shape, direction="inference")
    assert list(checking.expected(case, inputs(case))) == ["output"]


@pytest.mark.parametrize(
    "broken",
    [lambda y: y[:1], lambda y: y * math.nan, lambda y: y + math.inf],
    ids=["another shape", "nan", "infinite"],
)
def test_what_cannot_be_compared_is_wrong_beyond_measure(right, broken) -> None:
    assert checking.error({**right, "output": broken(right["output"])}, right) == math.inf


def test_no_gradient_comes_from_where_rounding_decides() -> None:
    given = inputs(Case("batch", "contiguous", "bfloat16", (8, 4, 9, 9)))
    kept = given.upstream.clone()
    case = Case("batch", "contiguous", "bfloat16", (8, 4, 9, 9))
    output = checking.expected(case, given)["output"]
    silenced = (given.upstream == 0) & (kept != 0)
    assert 0 < silenced.float().mean() < 0.2
    assert output[silenced].abs().max() < 0.2
    assert torch.equal(given.upstream[~silenced], kept[~silenced])
