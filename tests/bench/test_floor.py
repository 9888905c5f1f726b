"""How many times a map must be read or written."""

from __future__ import annotations

import pytest
import torch

from normkit.bench import floor
from normkit.bench.cases import Case


@pytest.mark.parametrize(
    ("method", "direction", "alone", "with_residual"),
    [
        ("batch", "training", 8, 10),
        ("layer", "training", 8, 10),
        ("instance", "training", 8, 10),
        ("group", "training", 8, 10),
        ("channel_layer", "training", 5, 7),
        ("rms", "training", 5, 7),
        ("batch", "inference", 2, 3),
        ("layer", "inference", 3, 4),
        ("instance", "inference", 3, 4),
        ("group", "inference", 3, 4),
        ("channel_layer", "inference", 2, 3),
        ("rms", "inference", 2, 3),
    ],
)
def test_passes(method: str, direction: str, alone: int, with_residual: int) -> None:
    for residual, count in ((False, alone), (True, with_residual)):
        case = Case(method, "contiguous", "float32", (2, 4, 3, 3), residual, "relu", direction)
        assert floor.passes(case) == count


def test_a_new_output_is_another_tensor_in_the_same_layout() -> None:
    x = torch.randn(2, 4, 3, 5).to(memory_format=torch.channels_last)
    new = floor.new_output(x)
    assert new.data_ptr() != x.data_ptr()
    assert new.stride() == x.stride()


@pytest.mark.parametrize("method", ["batch", "rms"])
@pytest.mark.parametrize("residual", [False, True])
def test_as_many_passes_are_moved_as_are_counted(
    method: str, residual: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(method, "contiguous", "float32", (2, 4, 3, 3), residual)
    x, moved = torch.randn(case.shape), 0
    plain = torch.Tensor.copy_

    def counted(to: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
        nonlocal moved
        moved += 2 * to.numel()
        return plain(to, source)

    move = floor.mover(case, x)
    monkeypatch.setattr(torch.Tensor, "copy_", counted)
    move()
    assert moved == floor.passes(case) * x.numel()
