"""What is asked for becomes cases, and what cannot be asked for is told."""

from __future__ import annotations

from typing import Any

import pytest

from normkit.bench.cases import METHODS, RESNET50, Settings


def test_every_combination_is_a_case() -> None:
    settings = Settings(
        methods=("batch", "rms"),
        shapes=((4, 2, 2), (8, 3, 1)),
        batch=5,
        dtypes=("float32", "bfloat16"),
        residuals=(False, True),
        directions=("training", "inference"),
    )
    cases = settings.cases()
    assert len(set(cases)) == len(cases) == 2 * 2 * 2 * 2 * 2 * 2
    assert {case.shape for case in cases} == {(5, 4, 2, 2), (5, 8, 3, 1)}


def test_by_default_each_method_meets_the_maps_of_resnet50_in_both_layouts() -> None:
    cases = Settings().cases()
    assert len(cases) == len(METHODS) * 2 * len(RESNET50)
    assert {case.shape[0] for case in cases} == {32}
    assert {(case.direction, case.residual, case.act) for case in cases} == {
        ("training", False, "relu")
    }


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"device": "cuda"}, "runs on the CPU; got 'cuda'. CUDA kernels come later"),
        ({"methods": ("bach",)}, "unknown method of a bench 'bach'. Did you mean 'batch'"),
        ({"layouts": ("nhwc",)}, "unknown layout 'nhwc'"),
        ({"dtypes": ("int8",)}, "unknown dtype 'int8'"),
        ({"directions": ("backward",)}, "unknown direction 'backward'"),
        ({"act": "rleu"}, "unknown activation 'rleu'. Did you mean 'relu'"),
        ({"layouts": ()}, "at least one of layouts"),
        ({"batch": 0}, "batch must be at least 1; got 0"),
        ({"rounds": 0}, "rounds must be at least 1; got 0"),
        ({"threads": -1}, "threads must be at least 1; got -1"),
        ({"shapes": ((4, 0, 3),)}, r"each at least 1; got \(4, 0, 3\)"),
    ],
)
def test_what_cannot_be_timed_is_told(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**wrong)
