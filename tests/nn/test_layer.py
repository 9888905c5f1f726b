"""Layer normalization over the trailing dimensions."""

from __future__ import annotations

import pytest
import torch

from normkit import nn


@pytest.mark.parametrize("shape", [6, (6,), [4, 6], torch.Size([4, 6])], ids=str)
def test_the_shape_may_be_a_number_or_a_sequence_as_in_pytorch(shape: int | list[int]) -> None:
    assert nn.LayerNorm(shape).normalized_shape == torch.nn.LayerNorm(shape).normalized_shape


def test_an_image_given_to_a_layer_made_for_its_channels_is_refused() -> None:
    with pytest.raises(ValueError, match=r"normalized_shape=\(8,\).*over the channels"):
        nn.LayerNorm(8)(torch.randn(2, 8, 4, 4))


def test_without_bias_or_parameters_it_has_their_keys_alone() -> None:
    assert list(nn.LayerNorm(6, bias=False).state_dict()) == ["weight"]
    assert not nn.LayerNorm(6, elementwise_affine=False).state_dict()
