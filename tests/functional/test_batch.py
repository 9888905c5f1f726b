"""The formula of batch normalization: statistics, and what is refused."""

from __future__ import annotations

import pytest
import torch

from normkit import functional as F


def test_evaluation_uses_the_running_statistics_and_leaves_them() -> None:
    x = torch.randn(3, 2, 4)
    mean, variance = torch.tensor([1.0, 2.0]), torch.tensor([4.0, 9.0])
    y = F.batch_norm(x, mean, variance, eps=0.0)
    expected = (x - mean[:, None]) / torch.tensor([2.0, 3.0])[:, None]
    torch.testing.assert_close(y, expected)
    assert mean.tolist() == [1.0, 2.0]
    assert variance.tolist() == [4.0, 9.0]


@pytest.mark.parametrize("momentum", [0.0, 0.1, 1.0])
def test_running_statistics_move_by_the_momentum_as_in_pytorch(momentum: float) -> None:
    x = torch.randn(3, 2, 4) * 2 + 1
    ours = [torch.tensor([1.0, 2.0]), torch.tensor([4.0, 9.0])]
    theirs = [statistic.clone() for statistic in ours]
    F.batch_norm(x, *ours, training=True, momentum=momentum)
    torch.nn.functional.batch_norm(x, *theirs, training=True, momentum=momentum)
    torch.testing.assert_close(ours, theirs)


def test_one_running_statistic_may_be_kept_without_the_other() -> None:
    mean = torch.zeros(2)
    x = torch.randn(3, 2, 4)
    F.batch_norm(x, mean, None, training=True, momentum=1.0)
    torch.testing.assert_close(mean, x.mean((0, 2)))


def test_half_running_statistics_are_updated() -> None:
    x = torch.randn(3, 2, 4) + 5
    mean, variance = torch.zeros(2).bfloat16(), torch.ones(2).bfloat16()
    F.batch_norm(x, mean, variance, training=True, momentum=1.0)
    assert torch.equal(mean, x.mean((0, 2)).bfloat16())


def test_evaluation_without_running_statistics_is_refused() -> None:
    with pytest.raises(ValueError, match="training=True"):
        F.batch_norm(torch.randn(3, 2), torch.zeros(2), None)


def test_one_value_per_channel_is_refused_in_training() -> None:
    with pytest.raises(ValueError, match=r"more than one value per channel.*\(1, 2, 1\)"):
        F.batch_norm(torch.randn(1, 2, 1), None, None, training=True)


@pytest.mark.parametrize("name", ["weight", "bias", "running_mean", "running_var"])
def test_a_vector_of_another_length_is_refused_by_name(name: str) -> None:
    vectors = {"running_mean": None, "running_var": None, name: torch.ones(3)}
    with pytest.raises(ValueError, match=rf"{name} has shape \(3,\)"):
        F.batch_norm(torch.randn(4, 2), training=True, **vectors)


def test_a_tensor_without_channels_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(N, C, \*\); got \(4,\)"):
        F.batch_norm(torch.randn(4), None, None, training=True)


def test_any_number_of_axes_of_positions_is_taken() -> None:
    x = torch.randn(3, 2, 2, 2, 2, 2)
    y = F.batch_norm(x, None, None, training=True)
    expected = F.batch_norm(x.flatten(2), None, None, training=True).reshape(x.shape)
    torch.testing.assert_close(y, expected)
