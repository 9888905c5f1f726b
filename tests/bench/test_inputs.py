"""All paths of a case get the same tensors, and nobody else's random numbers move."""

from __future__ import annotations

import pytest
import torch

from normkit.bench.cases import DTYPES, Case
from normkit.bench.inputs import inputs

SHAPE = (3, 4, 5, 2)


def test_the_same_case_has_the_same_inputs() -> None:
    before = torch.get_rng_state()
    one, two = (inputs(Case("batch", "contiguous", "float32", SHAPE, True)) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    for tensor, other in ((one.x, two.x), (one.upstream, two.upstream)):
        assert torch.equal(tensor, other)
    # A gradient that is the input's, or a constant, would hide mistakes.
    assert not torch.equal(one.x, one.upstream)
    assert one.upstream.std() > 0.5


@pytest.mark.parametrize("dtype", DTYPES)
def test_they_have_the_layout_and_the_dtype(dtype: str) -> None:
    given = inputs(Case("batch", "channels_last", dtype, SHAPE, residual=True))
    for tensor in (given.x, given.residual, given.upstream):
        assert tensor.shape == SHAPE
        assert tensor.dtype == DTYPES[dtype]
        assert tensor.is_contiguous(memory_format=torch.channels_last)


def test_parameters_stay_in_float32_beside_half_precision() -> None:
    state = inputs(Case("batch", "contiguous", "bfloat16", SHAPE)).state
    assert list(state) == ["weight", "bias", "running_mean", "running_var"]
    assert {value.dtype for value in state.values()} == {torch.float32}


def test_a_method_has_its_own_parameters() -> None:
    assert list(inputs(Case("rms", "contiguous", "float32", SHAPE)).state) == ["weight"]
