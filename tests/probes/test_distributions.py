"""Histograms before and after a norm, of all its values, on a model that stays as it was."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from normkit.probes.distributions import BINS, distribution


@pytest.fixture
def images() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(16, 4, 5, 5) * 3 + 7


def test_before_and_after_are_what_enters_and_what_leaves(images: torch.Tensor) -> None:
    norm = nn.BatchNorm2d(4)
    nn.init.constant_(norm.weight, 2.0)
    nn.init.constant_(norm.bias, -1.0)
    found = distribution(norm, norm, images)
    assert found is not None
    assert found["before"]["mean"] == pytest.approx(float(images.double().mean()))
    assert found["before"]["deviation"] == pytest.approx(float(images.double().std(correction=0)))
    assert found["after"]["mean"] == pytest.approx(-1.0, abs=1e-5)
    assert found["after"]["deviation"] == pytest.approx(2.0, abs=1e-3)
    assert len(found["after"]["histogram"]["shares"]) == BINS


def test_without_a_norm_both_are_the_same(images: torch.Tensor) -> None:
    norm = nn.Identity()
    found = distribution(nn.Sequential(norm, nn.ReLU(inplace=True)), norm, images.clone())
    assert found is not None
    assert found["before"] == found["after"]
    assert found["before"]["histogram"]["low"] < 0


def test_values_that_are_not_finite_give_none(images: torch.Tensor) -> None:
    images[0, 0, 0, 0] = torch.inf
    norm = nn.Identity()
    assert distribution(norm, norm, images) is None


def test_the_model_is_as_before(images: torch.Tensor) -> None:
    norm = nn.BatchNorm2d(4).eval()
    distribution(norm, norm, images)
    assert not norm.training
    assert norm.num_batches_tracked == 0
    assert torch.equal(norm.running_mean, torch.zeros(4))
    assert not norm._forward_hooks
    assert not norm._forward_pre_hooks


def test_a_norm_that_is_not_called_is_an_error(images: torch.Tensor) -> None:
    with pytest.raises(RuntimeError, match="it was not called"):
        distribution(nn.Identity(), nn.BatchNorm2d(4), images)
