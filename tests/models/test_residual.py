"""The residual network: its shortcuts and stages."""

from __future__ import annotations

import pytest
import torch

from normkit.models import Block, build


def residual(**arguments: object) -> torch.nn.Module:
    defaults = {"num_classes": 2, "in_channels": 1, "image_size": (8, 8), "width": 4}
    return build("residual", **defaults | arguments)


def test_a_unit_is_its_second_block_with_the_shortcut_as_residual() -> None:
    unit = residual(norm="group").units[0]
    x = torch.randn(2, 4, 8, 8)
    assert isinstance(unit.shortcut, torch.nn.Identity)
    y = unit.second.norm(unit.second.linear(unit.first(x)))
    torch.testing.assert_close(unit(x), torch.relu(y + x))


def test_where_the_shape_changes_the_shortcut_is_a_projection_with_its_norm() -> None:
    model = residual(norm="batch", depth=4)
    projection = model.units[1].shortcut
    assert isinstance(projection, Block)
    assert projection.linear.kernel_size == (1, 1)
    assert projection.act.act is None
    assert isinstance(projection.norm, torch.nn.BatchNorm2d)


def test_blocks_leave_out_the_shortcuts() -> None:
    model = residual(depth=4)
    units = [block for unit in model.units for block in (unit.first, unit.second)]
    assert model.blocks == [model.stem, *units]


@pytest.mark.parametrize(
    ("size", "widths"), [(4, [4, 4, 4, 4]), (8, [4, 4, 8, 8]), (32, [4, 4, 8, 16])]
)
def test_each_stage_is_twice_as_wide(size: int, widths: list[int]) -> None:
    model = residual(depth=8, image_size=(size, size))
    assert [unit.second.linear.out_channels for unit in model.units] == widths


def test_an_odd_depth_is_refused_with_its_neighbours() -> None:
    with pytest.raises(ValueError, match="Use 6 or 8"):
        residual(depth=7)
    with pytest.raises(ValueError, match=r"Use 2\."):
        residual(depth=1)


def test_it_runs_at_large_depth() -> None:
    assert residual(depth=32, norm="batch")(torch.randn(2, 1, 8, 8)).isfinite().all()
