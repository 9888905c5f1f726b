"""Ghost batch normalization layers: how a batch is cut, and what moves the running statistics."""

from __future__ import annotations

import copy

import pytest
import torch

import normkit as nk
from normkit import functional as F
from normkit import nn


@pytest.mark.parametrize(
    ("samples", "size", "parts"),
    [
        (8, 4, [4, 4]),
        (9, 4, [4, 5]),
        (11, 4, [5, 6]),
        (3, 4, [3]),
        (7, 4, [7]),
        (14, 3, [3, 3, 4, 4]),
    ],
)
def test_each_ghost_batch_is_batch_normalised_on_its_own(
    samples: int, size: int, parts: list[int]
) -> None:
    x = torch.randn(samples, 4, 3, 3) * 3 + 1
    expected = [nn.BatchNorm2d(4)(part) for part in x.split(parts)]
    torch.testing.assert_close(
        nn.GhostBatchNorm2d(4, ghost_batch_size=size)(x), torch.cat(expected)
    )


@pytest.mark.parametrize("samples", [33, 65, 129])
def test_a_tail_of_one_sample_joins_a_ghost_batch(samples: int) -> None:
    layer = nn.GhostBatchNorm1d(4)
    x = torch.randn(samples, 4, requires_grad=True)
    y = layer(x)
    torch.testing.assert_close(y[-33:], nn.BatchNorm1d(4)(x[-33:]))
    assert (y[-1] != 0).all()
    y.square().sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert layer.num_batches_tracked == 1


def test_a_batch_smaller_than_two_ghost_batches_is_batch_normalised() -> None:
    x = torch.randn(7, 4, 3, 3)
    ghost, batch = nn.GhostBatchNorm2d(4, ghost_batch_size=4), nn.BatchNorm2d(4)
    torch.testing.assert_close(ghost(x), batch(x))
    torch.testing.assert_close(ghost.state_dict(), batch.state_dict())


def test_with_ghost_batches_of_one_sample_it_is_instance_normalization() -> None:
    x = torch.randn(5, 4, 3, 3)
    y = F.ghost_batch_norm(x, None, None, training=True, ghost_batch_size=1)
    torch.testing.assert_close(y, F.instance_norm(x))


def test_the_running_statistics_are_the_average_over_the_samples_of_the_ghost_batches() -> None:
    layer = nn.GhostBatchNorm1d(4, ghost_batch_size=2, momentum=1.0)
    x = torch.randn(5, 4) * 3 + 1
    layer(x)
    torch.testing.assert_close(layer.running_mean, x.mean(0))
    expected = (2 * x[:2].var(0) + 3 * x[2:].var(0)) / 5
    torch.testing.assert_close(layer.running_var, expected)
    assert layer.num_batches_tracked == 1


def test_the_ghost_batches_weigh_the_same_in_any_order() -> None:
    x = torch.randn(6, 4)
    forwards, backwards = (nn.GhostBatchNorm1d(4, ghost_batch_size=2) for _ in range(2))
    forwards(x), backwards(x.flip(0))
    torch.testing.assert_close(forwards.state_dict(), backwards.state_dict())


def test_micro_batches_of_whole_ghost_batches_count_as_the_batch_they_are() -> None:
    layer, whole = (nn.GhostBatchNorm1d(4, ghost_batch_size=2) for _ in range(2))
    x = torch.randn(10, 4)
    whole(x)
    with nk.accumulate(layer):
        for part in x.split([4, 2, 4]):
            layer(part)
    torch.testing.assert_close(layer.state_dict(), whole.state_dict())


def test_one_ghost_batch_with_a_nan_keeps_the_whole_batch_from_counting() -> None:
    layer = nn.GhostBatchNorm1d(4, ghost_batch_size=2)
    before = copy.deepcopy(layer.state_dict())
    x = torch.randn(6, 4)
    x[5, 0] = torch.nan
    assert layer(x)[:4].isfinite().all()
    torch.testing.assert_close(layer.state_dict(), before, rtol=0, atol=0)


def test_what_a_mask_leaves_out_keeps_its_place_and_is_in_no_statistic() -> None:
    mask = torch.tensor([True, True, False, True, True, False, False, True])
    x = torch.randn(8, 4)
    layer = nn.GhostBatchNorm1d(4, ghost_batch_size=3, momentum=1.0)  # Cut in 4 and 4.
    y = layer(torch.where(mask[:, None], x, torch.inf), mask=mask)
    first, last = x[[0, 1, 3]], x[[4, 7]]
    torch.testing.assert_close(y[[0, 1, 3]], nn.BatchNorm1d(4)(first))
    torch.testing.assert_close(y[[4, 7]], nn.BatchNorm1d(4)(last))
    torch.testing.assert_close(layer.running_mean, (first.sum(0) + last.sum(0)) / 5)
    torch.testing.assert_close(layer.running_var, (3 * first.var(0) + 2 * last.var(0)) / 5)


def test_a_ghost_batch_of_which_a_mask_keeps_one_value_moves_no_statistics() -> None:
    mask = torch.tensor([True, True, False, True])
    x = torch.randn(4, 4)
    layer = nn.GhostBatchNorm1d(4, ghost_batch_size=2, momentum=1.0)
    layer(x, mask=mask)
    torch.testing.assert_close(layer.running_mean, x[:2].mean(0))
    torch.testing.assert_close(layer.running_var, x[:2].var(0))


def test_evaluation_is_that_of_batch_normalization_whose_state_it_loads() -> None:
    batch, ghost = nn.BatchNorm2d(4), nn.GhostBatchNorm2d(4, ghost_batch_size=2)
    batch(torch.randn(8, 4, 3, 3) * 3 + 1)
    ghost.load_state_dict(batch.state_dict())
    x = torch.randn(8, 4, 3, 3)
    torch.testing.assert_close(ghost.eval()(x), batch.eval()(x), rtol=0, atol=0)


def test_the_function_moves_the_statistics_as_the_layer_does() -> None:
    x = torch.randn(7, 4)
    layer = nn.GhostBatchNorm1d(4, ghost_batch_size=3)
    mean, variance = torch.zeros(4), torch.ones(4)
    y = F.ghost_batch_norm(x, mean, variance, training=True, ghost_batch_size=3)
    torch.testing.assert_close(y, layer(x), rtol=0, atol=0)
    torch.testing.assert_close(
        (mean, variance), (layer.running_mean, layer.running_var), rtol=0, atol=0
    )


@pytest.mark.parametrize("samples", [8, 9], ids=["equal parts", "unequal parts"])
def test_channels_last_stays_for_equal_and_unequal_parts(samples: int) -> None:
    x = torch.randn(samples, 4, 3, 5).contiguous(memory_format=torch.channels_last)
    x.requires_grad_()
    y = nn.GhostBatchNorm2d(4, ghost_batch_size=4)(x)
    (gradient,) = torch.autograd.grad(y.square().sum(), x)
    for tensor in (y, gradient):
        assert tensor.is_contiguous(memory_format=torch.channels_last)


def test_one_value_per_channel_and_ghost_batch_is_refused_and_not_counted() -> None:
    layer = nn.GhostBatchNorm1d(4, ghost_batch_size=1)
    with pytest.raises(ValueError, match=r"per channel and ghost batch.*ghost_batch_size of at le"):
        layer(torch.randn(8, 4))
    assert layer.num_batches_tracked == 0


def test_a_ghost_batch_without_samples_is_refused() -> None:
    with pytest.raises(ValueError, match=r"ghost_batch_size is .*got 0"):
        nn.GhostBatchNorm2d(4, ghost_batch_size=0)


def test_the_size_of_a_ghost_batch_is_shown() -> None:
    assert "ghost_batch_size=8" in repr(nn.GhostBatchNorm2d(4, ghost_batch_size=8))
