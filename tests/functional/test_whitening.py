"""What both formulas that whiten refuse, and the statistics that they keep."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from normkit import functional as F

every_function = pytest.mark.parametrize(
    "whiten", [F.decorrelated_batch_norm, F.iterative_norm], ids=lambda f: f.__name__
)


@every_function
def test_running_statistics_given_to_it_move_towards_the_batchs(
    whiten: Callable[..., Tensor],
) -> None:
    x = torch.randn(32, 6) * 3 + 1
    mean, covariance = torch.zeros(6), torch.eye(3).repeat(2, 1, 1)
    y = whiten(x, mean, covariance, training=True, momentum=1.0, num_groups=2)
    torch.testing.assert_close(mean, x.mean(0))
    for group, running in zip(x.chunk(2, dim=1), covariance, strict=True):
        torch.testing.assert_close(running, group.T.cov())
    # It is the unbiased one.
    close = whiten(x, mean, covariance, num_groups=2)
    torch.testing.assert_close(close, y * (31 / 32) ** 0.5, rtol=1e-3, atol=1e-3)


@every_function
def test_a_batch_that_is_not_finite_moves_nothing(whiten: Callable[..., Tensor]) -> None:
    mean, covariance = torch.zeros(4), torch.eye(4)[None].clone()
    x = torch.randn(8, 4)
    x[0, 0] = torch.nan
    assert whiten(x, mean, covariance, training=True).isnan().any()
    assert torch.equal(mean, torch.zeros(4))
    assert torch.equal(covariance, torch.eye(4)[None])


@every_function
def test_evaluation_without_running_statistics_is_refused(whiten: Callable[..., Tensor]) -> None:
    with pytest.raises(ValueError, match=r"got None\. Pass both, or training=True"):
        whiten(torch.randn(8, 4), torch.zeros(4), None)


@every_function
@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
def test_a_covariance_of_other_groups_is_refused(
    whiten: Callable[..., Tensor], training: bool
) -> None:
    with pytest.raises(ValueError, match=r"shape \(2, 3, 3\); got \(1, 6, 6\)"):
        whiten(
            torch.randn(8, 6), torch.zeros(6), torch.eye(6)[None], training=training, num_groups=2
        )


@every_function
def test_groups_that_do_not_divide_the_channels_are_refused(whiten: Callable[..., Tensor]) -> None:
    with pytest.raises(ValueError, match=r"6 channels and num_groups=4.*1, 2, 3, 6"):
        whiten(torch.randn(8, 6), None, None, training=True, num_groups=4)


@every_function
def test_one_value_per_channel_is_refused(whiten: Callable[..., Tensor]) -> None:
    with pytest.raises(ValueError, match=r"more than one value per channel.*drop_last=True"):
        whiten(torch.randn(1, 6), None, None, training=True)


@every_function
def test_gradients_stay_in_float32_under_autocast(whiten: Callable[..., Tensor]) -> None:
    x = torch.randn(16, 4, 3, 3).requires_grad_()
    upstream = torch.randn_like(x)
    (expected,) = torch.autograd.grad(whiten(x, None, None, training=True), x, upstream)
    with torch.autocast("cpu", torch.bfloat16):
        y = whiten(x, None, None, training=True)
    (gradient,) = torch.autograd.grad(y, x, upstream)
    assert torch.equal(gradient, expected)
