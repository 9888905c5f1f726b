"""What is asked for becomes cases, and what cannot be asked for is told."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from normkit.bench.cases import DEVICES, METHODS, RESNET50, Settings


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


def test_a_gpu_that_pytorch_does_not_see_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"needs a GPU that PyTorch sees.*device cpu"):
        Settings(device="cuda")


def test_every_case_is_on_the_device_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for device in DEVICES:
        assert {case.device for case in Settings(device=device).cases()} == {device}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"device": "cuba"}, "unknown device 'cuba'. Did you mean 'cuda'"),
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
