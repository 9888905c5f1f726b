"""Every path computes the formula; which paths there are depends on the case."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from normkit.bench import checking
from normkit.bench.cases import DIRECTIONS, DTYPES, LAYOUTS, METHODS, Case
from normkit.bench.contestants import ALL, EAGER, IN_PLACE, contestants
from normkit.bench.inputs import inputs
from normkit.bench.step import Step

CASE = Case("batch", "contiguous", "float32", (3, 4, 5, 3))


def names(case: Case, compiled: bool = False) -> list[str]:
    return [each.name for each in contestants(case, compiled)]


def judged(case: Case) -> dict[str, tuple[float, str | None]]:
    given = inputs(case)
    right = checking.expected(case, given)
    return {
        each.name: checking.judged(case, Step(case, given, each.path(case)).named(), right)
        for each in contestants(case)
    }


def largest_error(case: Case) -> float:
    return max(error for error, _ in judged(case).values())


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("method", METHODS)
def test_all_are_right(method: str, layout: str, residual: bool, direction: str) -> None:
    case = Case(method, layout, "float32", CASE.shape, residual, "relu", direction)
    assert largest_error(case) < 2e-6


@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", METHODS)
def test_they_are_right_in_every_precision(method: str, dtype: str) -> None:
    case = Case(method, "contiguous", dtype, CASE.shape, residual=True)
    assert {reason for _, reason in judged(case).values()} == {None}


@pytest.mark.parametrize("act", [None, *IN_PLACE])
def test_they_are_right_with_every_activation_that_is_in_place(act: str | None) -> None:
    assert largest_error(replace(CASE, residual=True, act=act)) < 2e-6


@pytest.mark.parametrize("method", METHODS)
def test_on_a_gpu_pytorchs_layers_of_one_precision_have_it_throughout(method: str) -> None:
    case = Case(method, "contiguous", "bfloat16", CASE.shape, device="cuda")
    of_map = torch.bfloat16 if method not in ("batch", "instance") else None
    given = {each.name: each.path(case).dtype for each in contestants(case)}
    assert given == {"eager": of_map, "eager_in_place": of_map, "normkit": None}
    assert EAGER.path(replace(case, device="cpu")).dtype is None


def test_parameters_of_the_maps_precision_are_those_of_all() -> None:
    case = Case("batch", "contiguous", "bfloat16", CASE.shape)
    given = inputs(case)
    eager = EAGER.path(case)
    Step(case, given, replace(eager, dtype=torch.bfloat16))
    kept = eager.layer.state_dict()
    assert kept["weight"].dtype is kept["bias"].dtype is torch.bfloat16
    assert kept["running_var"].dtype is torch.float32
    for name, value in given.state.items():
        assert torch.equal(kept[name].float(), value), name


def test_normkits_layer_is_told_as_what_it_is() -> None:
    given = inputs(CASE)
    assert (
        Step(CASE, given, ALL[-1].path(CASE)).how().startswith("normkit BatchNorm2d, batch_norm: ")
    )


class TestWhichThereAre:
    def test_the_compiler_takes_part_where_it_is_asked_for(self) -> None:
        assert "compile" not in names(CASE)
        assert "compile" in names(CASE, compiled=True)

    def test_on_a_gpu_it_takes_part_with_more_tried_and_without_onednn(self) -> None:
        on_gpu = replace(CASE, device="cuda")
        assert "compile_max_autotune" not in names(CASE, compiled=True)
        assert names(on_gpu) == ["eager", "eager_in_place", "normkit"]
        assert names(on_gpu, compiled=True)[2:4] == ["compile", "compile_max_autotune"]

    def test_nothing_is_in_place_without_a_sum_or_an_activation(self) -> None:
        assert "eager_in_place" not in names(replace(CASE, act=None))
        assert "eager_in_place" not in names(replace(CASE, act="gelu"))
        assert "eager_in_place" in names(replace(CASE, act="gelu", residual=True))

    @pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="PyTorch has no oneDNN")
    def test_onednn_has_batch_norm_of_float32_alone(self) -> None:
        assert "onednn" in names(CASE)
        for other in ({"method": "group"}, {"dtype": "bfloat16"}, {"layout": "channels_last"}):
            assert "onednn" not in names(replace(CASE, **other))
