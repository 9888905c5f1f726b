"""The plain network: where it shrinks the map, and how deep it can be."""

from __future__ import annotations

import pytest
import torch

from normkit.models import build


def sides(size: int, depth: int) -> list[int]:
    """The side of the map behind each block."""
    model = build(
        "plain", num_classes=2, in_channels=1, image_size=(size, size), depth=depth, width=2
    )
    seen: list[int] = []
    for block in model.blocks:
        block.register_forward_hook(lambda _, __, output: seen.append(output.shape[-1]))
    model(torch.randn(2, 1, size, size))
    return seen


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (8, [8, 8, 4, 4, 4, 4, 4, 4]),
        (28, [14, 7, 4, 4, 4, 4, 4, 4]),
        (32, [16, 8, 4, 4, 4, 4, 4, 4]),
        (64, [32, 16, 8, 4, 4, 4, 4, 4]),
        (4, [4] * 8),
    ],
)
def test_the_map_is_brought_to_eight_at_once_and_to_four_a_quarter_down(
    size: int, expected: list[int]
) -> None:
    assert sides(size, depth=8) == expected


@pytest.mark.parametrize("depth", [1, 2, 32, 64])
def test_it_builds_and_runs_at_any_depth(depth: int) -> None:
    assert len(sides(28, depth)) == depth


def test_every_block_has_the_width() -> None:
    model = build("plain", num_classes=2, in_channels=3, image_size=(8, 8), width=5)
    assert {block.linear.out_channels for block in model.blocks} == {5}
    assert model.classifier.in_features == 5
