"""The multi-layer perceptron."""

from __future__ import annotations

import torch

from normkit import nn
from normkit.models import build


def test_every_hidden_layer_is_linear_and_normalised() -> None:
    model = build(
        "mlp", num_classes=2, in_channels=3, image_size=(4, 5), norm="batch", depth=3, width=7
    )
    assert [block.linear.in_features for block in model.blocks] == [60, 7, 7]
    assert {type(block.norm) for block in model.blocks} == {nn.BatchNorm1d}


def test_before_and_linear_is_the_same_as_before() -> None:
    outputs = []
    for placement in ("before", "before_and_linear"):
        torch.manual_seed(0)
        model = build(
            "mlp",
            num_classes=2,
            in_channels=1,
            image_size=(4, 4),
            norm="layer",
            placement=placement,
        )
        outputs.append(model(torch.ones(2, 1, 4, 4)))
    assert torch.equal(*outputs)
