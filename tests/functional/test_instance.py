"""The formula of instance normalization."""

from __future__ import annotations

import pytest
import torch

from normkit import functional as F


def test_contrast_and_brightness_of_a_sample_do_not_matter() -> None:
    x = torch.randn(3, 4, 5, 5)
    torch.testing.assert_close(F.instance_norm(3 * x + 2), F.instance_norm(x), rtol=1e-4, atol=1e-4)


def test_running_statistics_are_means_over_the_samples() -> None:
    x = torch.randn(3, 2, 5, 5) * 2 + 1
    mean, variance = torch.zeros(2), torch.ones(2)
    F.instance_norm(x, mean, variance, momentum=1.0)
    torch.testing.assert_close(mean, x.mean((0, 2, 3)))
    torch.testing.assert_close(variance, x.var((2, 3), correction=1).mean(0))


def test_running_statistics_are_used_when_asked_for() -> None:
    x = torch.randn(3, 2, 5, 5)
    mean, variance = torch.tensor([1.0, 2.0]), torch.tensor([4.0, 9.0])
    torch.testing.assert_close(
        F.instance_norm(x, mean, variance, use_input_stats=False),
        F.batch_norm(x, mean, variance),
    )


def test_asking_for_running_statistics_without_giving_them_is_refused() -> None:
    with pytest.raises(ValueError, match="use_input_stats=True"):
        F.instance_norm(torch.randn(3, 2, 5), use_input_stats=False)


@pytest.mark.parametrize("shape", [(3, 2), (3, 2, 1, 1)], ids=str)
def test_one_value_per_channel_and_sample_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="On a map of one position"):
        F.instance_norm(torch.randn(shape))
