"""A wrong output, gradient or statistic is an error; rounding is not."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from normkit.bench import checking
from normkit.bench.cases import METHODS, Case
from normkit.bench.contestants import Path
from normkit.bench.inputs import inputs
from normkit.bench.step import STATISTICS, Step
from normkit.nn.catalogue import make
from normkit.nn.group import default_groups

CASE = Case("batch", "contiguous", "float32", (3, 4, 5, 3), residual=True)


DTYPES = list(checking.DTYPES)


@pytest.fixture
def right() -> dict[str, Tensor]:
    return checking.expected(CASE, inputs(CASE))


def test_what_is_right_has_no_error(right: dict[str, Tensor]) -> None:
    assert checking.judged(CASE, right, right) == (0.0, None)


def test_everything_of_a_training_step_is_checked(right: dict[str, Tensor]) -> None:
    assert set(right) == {
        *("output", "input", "residual", "weight", "bias", "running_mean", "running_var")
    }
    for name in right:
        wrong = {**right, name: right[name] * 1.5}
        error, reason = checking.judged(CASE, wrong, right)
        assert error == pytest.approx(0.5), name
        assert reason == f"{name}: error 5e-01"


class WrongStatistics(torch.nn.Module):
    """The layer of a case whose mean, or variance, is off by a factor."""

    def __init__(self, case: Case, of_mean: float = 1.0, of_variance: float = 1.0) -> None:
        super().__init__()
        self.layer = make(case.method, case.shape[1])
        self.case, self.of_mean, self.of_variance = case, of_mean, of_variance

    def forward(self, x: Tensor) -> Tensor:
        channels, method = x.shape[1], self.case.method
        groups = {"layer": 1, "instance": channels, "group": default_groups(channels)}
        exact = x.double()
        grouped = exact.unflatten(1, (groups.get(method, channels), -1))
        axes = {"batch": (0, 2, 3, 4), "channel_layer": (1, 2), "rms": (1, 2)}
        over = axes.get(method, (2, 3, 4))
        mean = grouped.mean(over, keepdim=True) * self.of_mean * (method != "rms")
        right = mean / self.of_mean
        variance = (grouped - right).square().mean(over, keepdim=True) * self.of_variance
        y = ((grouped - mean) * torch.rsqrt(variance + 1e-5)).flatten(1, 2)
        y = y * self.layer.weight.reshape(-1, 1, 1)
        if method != "rms":
            y = y + self.layer.bias.reshape(-1, 1, 1)
        return y.to(x.dtype)


def planted(case: Case, **factors: float) -> tuple[float, str | None]:
    given = inputs(case)
    right = checking.expected(case, given)
    layer = WrongStatistics(case, **factors)
    act = torch.nn.functional.relu
    path = Path(layer.layer, lambda x, residual: act(layer(x)), lambda x, residual: "")
    found = Step(case, given, path).named()
    # These it does not move.
    found |= {name: right[name] for name in STATISTICS if name in right}
    return checking.judged(case, found, right)


def short(method: str, dtype: str) -> Case:
    return Case(method, "contiguous", dtype, (8, 16, 14, 14))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", [name for name in METHODS if name != "rms"])
def test_a_mean_off_by_a_hundredth_is_refused(method: str, dtype: str) -> None:
    assert planted(short(method, dtype), of_mean=1.01)[1] is not None


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", METHODS)
class TestStatistics:
    def test_that_are_right_are_taken(self, method: str, dtype: str) -> None:
        assert planted(short(method, dtype))[1] is None

    def test_with_a_variance_off_by_a_fiftieth_are_refused(self, method: str, dtype: str) -> None:
        assert planted(short(method, dtype), of_variance=1.02)[1] is not None


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_value_may_be_off_by_a_few_units_in_the_last_place(dtype: str) -> None:
    case = Case("batch", "contiguous", dtype, (8, 16, 14, 14))
    right = checking.expected(case, inputs(case))
    unit = torch.finfo(checking.DTYPES[dtype]).eps * right["output"].max()

    def with_one_off_by(units: float) -> dict[str, Tensor]:
        output = right["output"].clone()
        output[0, 0, 0, 0] += units * unit
        return right | {"output": output}

    assert checking.judged(case, with_one_off_by(3), right)[1] is None
    allowed = checking.tolerance(case, "output") / torch.finfo(checking.DTYPES[dtype]).eps
    assert checking.judged(case, with_one_off_by(1.01 * allowed), right)[1] is not None
    if checking.DTYPES[dtype].itemsize == 2:
        assert allowed < 4.3


def test_in_inference_there_is_an_output() -> None:
    case = Case("batch", "contiguous", "float32", CASE.shape, direction="inference")
    assert list(checking.expected(case, inputs(case))) == ["output"]


@pytest.mark.parametrize(
    "broken",
    [lambda y: y[:1], lambda y: y * math.nan, lambda y: y + math.inf],
    ids=["another shape", "nan", "infinite"],
)
def test_what_cannot_be_compared_is_wrong_beyond_measure(right, broken) -> None:
    wrong = {**right, "output": broken(right["output"])}
    assert checking.judged(CASE, wrong, right) == (math.inf, "output: error inf")


def test_no_gradient_comes_from_where_rounding_decides() -> None:
    given = inputs(Case("batch", "contiguous", "bfloat16", (8, 4, 9, 9)))
    kept = given.upstream.clone()
    case = Case("batch", "contiguous", "bfloat16", (8, 4, 9, 9))
    output = checking.expected(case, given)["output"]
    silenced = (given.upstream == 0) & (kept != 0)
    assert 0 < silenced.float().mean() < 0.2
    assert output[silenced].abs().max() < 0.2
    assert torch.equal(given.upstream[~silenced], kept[~silenced])
