"""The formula of layer normalization over the trailing dimensions."""

from __future__ import annotations

import pytest
import torch

from normkit import functional as F


def test_a_single_axis_is_taken() -> None:
    x = torch.randn(6) * 2 + 1
    torch.testing.assert_close(F.layer_norm(x, (6,)), torch.nn.functional.layer_norm(x, (6,)))


@pytest.mark.parametrize("shape", [(), (5,), (4, 6, 2)], ids=str)
def test_a_shape_that_the_input_does_not_end_in_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="trailing dimensions of the input must be"):
        F.layer_norm(torch.randn(4, 6), shape)


def test_a_weight_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"weight must have the shape normalized_shape=\(6,\)"):
        F.layer_norm(torch.randn(4, 6), (6,), weight=torch.ones(6, 1))
