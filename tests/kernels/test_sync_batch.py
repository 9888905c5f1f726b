"""What several processes do by themselves for batch normalization over all, by kernels."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tests.kernels.calls import LAYOUTS, TOLERANCES, close, lies
from tests.kernels.interpreter import IS_ON, OFF
from tests.kernels.sync_batch_worker import CHECKS

from normkit import kernels

ROOT = Path(__file__).parents[2]
EPS = 1e-5
RELU = 1


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    results = tmp_path_factory.mktemp("sync") / "found.json"
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc-per-node", "2", "--module", "tests.kernels.sync_batch_worker"),
            str(results),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    checked: dict[str, list[str]] = json.loads(results.read_text(encoding="utf-8"))
    return checked


@OFF
@pytest.mark.parametrize("check", CHECKS)
def test_two_processes_agree_with_one(found: dict[str, list[str]], check: str) -> None:
    assert found[check] == []


def test_the_choice_says_why() -> None:
    with kernels.observed() as choices:
        ending = kernels.choose(
            "sync_batch_norm", torch.randn(2, 3, 4, 4), None, None, over_processes=True
        )
    assert (ending is not None) == IS_ON
    refusal = None if IS_ON else "no kernel for the CPU has statistics over several processes"
    assert choices[0].refusal == refusal


DTYPES = [torch.float64, torch.float32, torch.bfloat16]


def maps(dtype: torch.dtype, layout: str, mean: float = 0.0) -> torch.Tensor:
    values = torch.randn(3, 6, 9, 7, dtype=torch.float64) + mean
    return lies(values.to(dtype), layout)


@OFF
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("mean", [0.0, 1000.0])
def test_moments_are_those_of_the_values(dtype: torch.dtype, layout: str, mean: float) -> None:
    x = maps(dtype, layout, mean)
    exact = x.double()
    found, variance = torch.ops.normkit.batch_moments.default(x)
    assert (found.dtype, variance.dtype) == (torch.float64, torch.float64)
    tolerance = 1e-12 if dtype is torch.float64 else 1e-6
    close(found, exact.mean((0, 2, 3)), tolerance)
    close(variance, exact.var((0, 2, 3), correction=0), tolerance)


@OFF
def test_the_variance_of_one_value_is_zero() -> None:
    x = torch.randn(1, 6)
    mean, variance = torch.ops.normkit.batch_moments.default(x)
    close(mean, x[0])
    close(variance, torch.zeros(6))


@OFF
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_gradient_is_tilted_and_offset(dtype: torch.dtype, layout: str) -> None:
    x, residual, upstream = (maps(dtype, layout) for _ in range(3))
    weight, bias, mean, tilt, offset = torch.randn(5, 6).double()
    variance = torch.rand(6).double() + 0.5
    of_input, of_residual = torch.ops.normkit.sync_batch_norm_backward.default(
        upstream,
        x,
        residual,
        weight,
        bias,
        mean,
        variance,
        None,
        tilt,
        offset,
        EPS,
        RELU,
        0.0,
        True,
    )

    def column(vector: torch.Tensor) -> torch.Tensor:
        return vector.reshape(-1, 1, 1)

    scale = weight / (variance + EPS).sqrt()
    centre = mean if dtype is torch.float64 else mean.float().double()
    before = (x.double() - column(mean)) * column(scale) + column(bias) + residual.double()
    dz = upstream.double() * (before > 0)
    expected = dz * column(scale) + (x.double() - column(centre)) * column(tilt) + column(offset)
    close(of_input.double(), expected, TOLERANCES[dtype])
    close(of_residual.double(), dz, TOLERANCES[dtype])


@OFF
@pytest.mark.parametrize("keeps_signs", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_operators_return_what_their_schemas_and_fakes_say(layout: str, keeps_signs: bool) -> None:
    x, residual, upstream = (maps(torch.float32, layout) for _ in range(3))
    tests = ("test_schema", "test_faketensor")
    torch.library.opcheck(torch.ops.normkit.batch_moments.default, (x,), test_utils=tests)
    mean, variance, tilt, offset = torch.rand(4, 6).double()
    given = (x, residual, None, None, mean, variance, EPS, RELU, 0.0, keeps_signs)
    signs = torch.ops.normkit.apply_statistics.default(*given)[1]
    asked, kept = (None, signs) if keeps_signs else (residual, None)
    of_maps = (upstream, x, asked, None, None, mean, variance, kept)
    for wants_residual in (False, True):
        torch.library.opcheck(
            torch.ops.normkit.sync_batch_norm_backward.default,
            (*of_maps, tilt, offset, EPS, RELU, 0.0, wants_residual),
            test_utils=tests,
        )
