"""The network after VGG: stages, and the norm of its hidden linear layer."""

from __future__ import annotations

import pytest
import torch

from normkit import nn
from normkit.models import build


def vgg(**arguments: object) -> torch.nn.Module:
    defaults = {"num_classes": 2, "in_channels": 1, "image_size": (32, 32), "width": 4}
    return build("vgg", **defaults | arguments)


def test_stages_widen_up_to_four_times() -> None:
    *convolutions, hidden = vgg(depth=8, image_size=(64, 64)).blocks
    assert [block.linear.out_channels for block in convolutions] == [4, 4, 8, 8, 16, 16, 16, 16]
    assert hidden.linear.in_features == 16 * 4 * 4


@pytest.mark.parametrize("size", [(1, 1), (4, 4), (8, 8), (28, 28), (32, 32), (5, 33)], ids=str)
@pytest.mark.parametrize("depth", [1, 2, 3, 6, 32])
def test_any_size_and_depth_fit_together(size: tuple[int, int], depth: int) -> None:
    model = vgg(image_size=size, depth=depth)
    assert model(torch.randn(2, 1, *size)).shape == (2, 2)


@pytest.mark.parametrize(
    ("placement", "expected"),
    [
        ("before", nn.Identity),
        ("after", nn.Identity),
        ("before_and_linear", nn.BatchNorm1d),
    ],
)
def test_the_hidden_linear_layer_is_normalised_when_asked_for(
    placement: str, expected: type
) -> None:
    *convolutions, hidden = vgg(norm="batch", placement=placement).blocks
    assert type(hidden.norm) is expected
    assert {type(block.norm) for block in convolutions} == {nn.BatchNorm2d}
