"""Batch renormalization layers: the correction, its limits, and what they follow."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

import normkit as nk
from normkit import functional as F
from normkit import nn
from normkit.functional.batch_renorm import correction_limits


def trained(seen: int = 10**6, **options: Any) -> nn.BatchRenorm2d:
    """A layer past its warm-up, with running statistics unlike those of any batch."""
    layer = nn.BatchRenorm2d(4, **options)
    layer.num_batches_tracked.fill_(seen)
    layer.running_mean.copy_(torch.randn(4))
    layer.running_var.copy_(torch.rand(4) + 1)
    return layer


def test_it_starts_as_batch_normalization() -> None:
    layer, other = nn.BatchRenorm2d(4, warmup=3), nn.BatchNorm2d(4)
    for _ in range(4):
        x = torch.randn(3, 4, 5, 5) * 3 + 1
        torch.testing.assert_close(layer(x), other(x))
    assert not torch.allclose(layer(x), other(x), atol=0.01)


def test_its_statistics_are_those_of_batch_normalization() -> None:
    layer, other = trained(), nn.BatchNorm2d(4)
    other.load_state_dict(layer.state_dict())
    x = torch.randn(3, 4, 5, 5)
    layer(x), other(x)
    torch.testing.assert_close(layer.state_dict(), other.state_dict())
    torch.testing.assert_close(layer.eval()(x), other.eval()(x))


def test_within_the_limits_training_is_evaluation() -> None:
    layer = trained()
    x = torch.randn(3, 4, 5, 5)
    expected = copy.deepcopy(layer).eval()(x)
    torch.testing.assert_close(layer(x), expected)


def test_within_the_limits_a_sample_does_not_see_the_others() -> None:
    x = torch.randn(6, 4, 5, 5)
    together, alone = trained(), trained()
    alone.load_state_dict(together.state_dict())
    torch.testing.assert_close(together(x)[:2], alone(x[:2]))


def test_the_correction_carries_no_gradient() -> None:
    layer = trained()
    other = copy.deepcopy(layer)
    other.track_running_stats = False
    x = torch.randn(3, 4, 5, 5, requires_grad=True)
    upstream = torch.randn_like(x)
    (gradient,) = torch.autograd.grad(layer(x), x, upstream)
    # That of batch normalization, times r.
    r = (x.var((0, 2, 3), correction=0) + layer.eps).sqrt() / (other.running_var + layer.eps).sqrt()
    normalised = F.batch_norm(x, None, None, r.detach(), training=True)
    (expected,) = torch.autograd.grad(normalised, x, upstream)
    torch.testing.assert_close(gradient, expected)


def test_the_limits_rise_as_in_the_paper() -> None:
    for seen, r_max, d_max in [
        (0, 1.0, 0.0),
        (5_000, 1.0, 0.0),
        (15_000, 1 + 2 * 10 / 35, 2.5),
        (25_000, 1 + 2 * 20 / 35, 5.0),
        (40_000, 3.0, 5.0),
        (10**7, 3.0, 5.0),
    ]:
        limits = correction_limits(torch.tensor(float(seen)), 5_000, r_max=3.0, d_max=5.0)
        assert [float(limit) for limit in limits] == pytest.approx([r_max, d_max]), seen


def test_the_correction_stops_at_the_limits() -> None:
    x = torch.randn(8, 4, 9, 9)
    layer = nn.BatchRenorm2d(4, r_max=2.0, d_max=0.5, warmup=0)
    y = layer(x * 1000 - 1e5)
    torch.testing.assert_close(y.mean((0, 2, 3)), torch.full((4,), -0.5))
    torch.testing.assert_close(y.std((0, 2, 3), correction=0), torch.full((4,), 2.0))
    y = nn.BatchRenorm2d(4, eps=0.0, r_max=2.0, d_max=0.5, warmup=0)(x / 1000)
    torch.testing.assert_close(y.std((0, 2, 3), correction=0), torch.full((4,), 0.5))


def test_a_batch_that_does_not_count_does_not_prolong_the_warmup() -> None:
    layer = nn.BatchRenorm2d(4, warmup=1)
    layer(torch.full((3, 4, 5, 5), torch.nan))
    x = torch.randn(3, 4, 5, 5)
    torch.testing.assert_close(layer(x), nn.BatchNorm2d(4)(x))


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("inside", [False, True])
def test_a_recomputation_sees_what_the_batch_saw(momentum: float | None, inside: bool) -> None:
    """Also if the micro-batches count as one, and nothing has moved when it comes."""
    layer = trained(seen=150, momentum=momentum)
    plain = copy.deepcopy(layer)
    x = torch.randn(3, 4, 5, 5, requires_grad=True)
    upstream = torch.randn_like(x)
    (expected,) = torch.autograd.grad(plain(x), x, upstream)

    def gradient() -> Tensor:
        return torch.autograd.grad(checkpoint(layer, x, use_reentrant=False), x, upstream)[0]

    if inside:
        with nk.accumulate(layer):
            got = gradient()
    else:
        got = gradient()
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(layer.state_dict(), plain.state_dict())


def test_the_function_is_the_layer() -> None:
    layer = trained()
    mean, variance = layer.running_mean.clone(), layer.running_var.clone()
    x = torch.randn(3, 4, 5, 5) * 9
    for training in (True, False):
        y = F.batch_renorm(x, mean, variance, layer.weight, layer.bias, training)
        torch.testing.assert_close(y, layer.train(training)(x))
        torch.testing.assert_close((mean, variance), (layer.running_mean, layer.running_var))


def test_without_running_statistics_there_is_nothing_to_correct_towards() -> None:
    with pytest.raises(ValueError, match=r"track_running_stats=False.*batch normalization"):
        nn.BatchRenorm2d(4, track_running_stats=False)
    with pytest.raises(ValueError, match=r"running_var; got None.*use batch_norm"):
        F.batch_renorm(torch.randn(2, 4, 3, 3), torch.zeros(4), None, training=True)


@pytest.mark.parametrize("option", [{"r_max": 0.5}, {"d_max": -1.0}, {"warmup": -1}])
def test_limits_that_cannot_be_are_refused(option: dict[str, Any]) -> None:
    ((name, value),) = option.items()
    with pytest.raises(ValueError, match=rf"r_max must be at least 1.*{name}={value}"):
        nn.BatchRenorm2d(4, **option)


def test_it_shows_its_arguments() -> None:
    assert "act='relu', r_max=3.0, d_max=5.0, warmup=100" in repr(nn.BatchRenorm2d(4, act="relu"))
