"""A norm of micro-batches does what gradient accumulation over micro-batches does."""

from __future__ import annotations

import copy

import pytest
import torch

from normkit.models.micro_batch import MicroBatched
from normkit.nn import BatchNorm2d
from normkit.nn.catalogue import catalogue

SIZE = 2


@pytest.fixture
def layer() -> MicroBatched:
    layer = MicroBatched("batch", 4, size=SIZE).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    return layer


@pytest.fixture
def x() -> torch.Tensor:
    return (torch.randn(6, 4, 3, 3, dtype=torch.float64) * 3 + 5).requires_grad_()


def test_output_and_gradients_are_those_of_one_micro_batch_after_the_other(
    layer: MicroBatched, x: torch.Tensor
) -> None:
    upstream = torch.randn_like(x)
    one_by_one = copy.deepcopy(layer.norm)
    expected = torch.cat([one_by_one(part) for part in x.split(SIZE)])
    y = layer(x)
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(
        torch.autograd.grad(y, [x, *layer.parameters()], upstream),
        torch.autograd.grad(expected, [x, *one_by_one.parameters()], upstream),
    )


def test_running_statistics_move_by_one_micro_batch_after_the_other(
    layer: MicroBatched, x: torch.Tensor
) -> None:
    one_by_one = copy.deepcopy(layer.norm)
    for part in x.split(SIZE):
        one_by_one(part)
    layer(x)
    torch.testing.assert_close(
        dict(layer.norm.named_buffers()), dict(one_by_one.named_buffers()), rtol=1e-5, atol=1e-5
    )


def test_evaluation_is_that_of_the_norm(layer: MicroBatched, x: torch.Tensor) -> None:
    layer.eval()
    torch.testing.assert_close(layer(x), layer.norm(x))
    # Of any number of samples.
    assert layer(x[:3]).shape == (3, 4, 3, 3)


@pytest.mark.parametrize(
    "name", [m.name for m in catalogue().values() if m.on == "activations" and not m.over_batch]
)
def test_a_norm_that_does_not_look_over_the_batch_stays_as_it_is(
    name: str, x: torch.Tensor
) -> None:
    layer = MicroBatched(name, 4, size=SIZE).double()
    parts = torch.cat([layer.norm(part) for part in x.split(SIZE)])
    torch.testing.assert_close(layer(x), parts)


def test_without_affine_and_running_statistics_it_standardises_all_the_same(
    x: torch.Tensor,
) -> None:
    layer = MicroBatched("batch", 4, size=SIZE)
    layer.norm = BatchNorm2d(4, affine=False, track_running_stats=False)
    y = layer(x).reshape(-1, SIZE, 4, 3, 3)
    torch.testing.assert_close(y.mean((1, 3, 4)), torch.zeros(3, 4, dtype=y.dtype))


def test_a_batch_that_is_no_multiple_is_refused(layer: MicroBatched, x: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="use a batch of 4"):
        layer(x[:5])


def test_a_micro_batch_that_is_not_finite_leaves_the_statistics_to_the_others(
    layer: MicroBatched, x: torch.Tensor
) -> None:
    one_by_one = copy.deepcopy(layer.norm)
    spoilt = x.detach().clone()
    spoilt[2, 0, 0, 0] = torch.inf
    for part in spoilt.split(SIZE):
        one_by_one(part)
    layer(spoilt)
    assert layer.norm.num_batches_tracked == 2
    torch.testing.assert_close(
        dict(layer.norm.named_buffers()), dict(one_by_one.named_buffers()), rtol=1e-5, atol=1e-5
    )


def test_other_norms_over_the_batch_see_one_micro_batch_after_the_other(x: torch.Tensor) -> None:
    layer = MicroBatched("sync_batch", 4, size=SIZE).double()
    one_by_one = copy.deepcopy(layer.norm)
    expected = torch.cat([one_by_one(part) for part in x.split(SIZE)])
    torch.testing.assert_close(layer(x), expected)
    assert layer.norm.num_batches_tracked == 3
