"""What moves running statistics, and what must not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from normkit import functional as F
from normkit.functional.running import as_met, update_running_
from normkit.functional.statistics import Moments

BATCH = Moments(torch.tensor([2.0, 4.0]), torch.tensor([5.0, 9.0]), size=8)


def fresh() -> tuple[Tensor, Tensor, Tensor]:
    return torch.zeros(2), torch.ones(2), torch.tensor(0)


def test_they_move_by_the_momentum_and_the_batch_is_counted() -> None:
    mean, variance, tracked = fresh()
    update_running_(mean, variance, BATCH, 0.25, tracked)
    assert mean.tolist() == [0.5, 1.0]
    assert variance.tolist() == [2.0, 3.0]
    assert tracked == 1


def test_a_momentum_of_one_takes_the_batch_exactly() -> None:
    mean, variance, _ = fresh()
    update_running_(mean + 1e8, variance, BATCH, 1.0)
    update_running_(mean, variance, BATCH, torch.tensor(1.0))
    assert torch.equal(mean, BATCH.mean)
    assert torch.equal(variance, BATCH.variance)


@pytest.mark.parametrize(
    "batch",
    [
        BATCH._replace(mean=torch.tensor([2.0, torch.nan])),
        BATCH._replace(variance=torch.tensor([torch.inf, 1.0])),
        BATCH._replace(size=1),
        BATCH._replace(size=0),
        BATCH._replace(size=torch.tensor(1.0)),
    ],
    ids=["NaN", "infinite", "one value", "empty", "one value left by a mask"],
)
def test_a_batch_that_would_spoil_them_is_not_counted(batch: Moments) -> None:
    mean, variance, tracked = fresh()
    update_running_(mean, variance, batch, 0.5, tracked)
    assert mean.tolist() == [0.0, 0.0]
    assert variance.tolist() == [1.0, 1.0]
    assert tracked == 0


def test_one_channel_that_is_not_finite_keeps_them_all() -> None:
    mean, variance = torch.zeros(2), torch.ones(2)
    x = torch.randn(4, 2, 3)
    x[0, 0, 0] = torch.inf
    F.batch_norm(x, mean, variance, training=True)
    assert mean.tolist() == [0.0, 0.0]
    assert variance.tolist() == [1.0, 1.0]


def test_a_forward_inside_a_backward_is_not_counted() -> None:
    mean, variance, tracked = fresh()

    def hook(gradient: Tensor) -> None:
        update_running_(mean, variance, BATCH, 0.5, tracked)

    x = torch.ones(1, requires_grad=True)
    y = x * 2
    y.register_hook(hook)
    y.backward()
    assert tracked == 0
    hook(x)
    assert tracked == 1


def test_captured_statistics_are_left_alone_and_given_ones_updated() -> None:
    mean, variance = torch.zeros(2), torch.ones(2)

    def loss(x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        return F.batch_norm(x, mean, variance, training=True).pow(3).sum()

    x = torch.randn(5, 2) + 3
    torch.func.grad(lambda x: loss(x, mean, variance))(x)
    assert mean.tolist() == [0.0, 0.0]
    torch.func.grad(loss)(x, mean, variance)
    torch.testing.assert_close(mean, 0.1 * x.mean(0))


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_a_compiled_transform_treats_them_alike(backend: str) -> None:
    torch._dynamo.reset()
    mean, variance = torch.zeros(2), torch.ones(2)

    def loss(x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        return F.batch_norm(x, mean, variance, training=True).pow(3).sum()

    def captured(x: Tensor) -> Tensor:
        return torch.func.grad(lambda x: loss(x, mean, variance))(x)

    def given(x: Tensor) -> Tensor:
        return torch.func.grad(loss)(x, mean, variance)

    x = torch.randn(5, 2) + 3
    expected = torch.func.grad(loss)(x, torch.zeros(2), torch.ones(2))
    compiled = torch.compile(captured, backend=backend, fullgraph=True)
    torch.testing.assert_close(compiled(x), expected)
    assert mean.tolist() == [0.0, 0.0]
    compiled = torch.compile(given, backend=backend, fullgraph=True)
    torch.testing.assert_close(compiled(x), expected)
    torch.testing.assert_close(mean, 0.1 * x.mean(0))


def in_a_recomputation(running: Tensor, batch: Tensor, momentum: float | Tensor) -> Tensor:
    found: list[Tensor] = []
    x = torch.zeros(1, requires_grad=True)
    y = x * 1
    y.register_hook(lambda gradient: found.append(as_met(running, batch, momentum)))
    y.backward()
    return found[0]


@pytest.mark.parametrize("momentum", [0.0, 0.25, torch.tensor(0.25)])
def test_a_recomputation_meets_the_statistics_that_its_batch_met(momentum: float | Tensor) -> None:
    mean, variance, _ = fresh()
    before = mean.clone()
    update_running_(mean, variance, BATCH, momentum)
    torch.testing.assert_close(in_a_recomputation(mean, BATCH.mean, momentum), before)
    assert torch.equal(as_met(mean, BATCH.mean, momentum), mean)


def test_what_did_not_move_or_cannot_be_told_is_met_as_it_is() -> None:
    mean, _, _ = fresh()
    infinite = torch.tensor([torch.nan, torch.inf])
    assert torch.equal(in_a_recomputation(mean, infinite, 0.25), mean)
    assert torch.equal(in_a_recomputation(mean, BATCH.mean, 1.0), mean)


def test_a_variance_that_half_precision_cannot_hold_is_not_counted() -> None:
    mean, variance, tracked = torch.zeros(2).half(), torch.ones(2).half(), torch.tensor(0)
    batch = BATCH._replace(variance=torch.tensor([1e6, 9.0]))
    update_running_(mean, variance, batch, 0.5, tracked)
    assert variance.tolist() == [1.0, 1.0]
    assert tracked == 0
    # What the moved statistic can hold is counted, also where the batch's alone is too large.
    update_running_(mean, variance, batch, 0.01, tracked)
    assert variance[0] == torch.tensor(1e4 + 0.99).half()
    assert tracked == 1


def test_rounding_does_not_bias_a_large_mean() -> None:
    mean, exact = torch.full((2000,), 1000.0), torch.full((2000,), 1000.0).double()
    for _ in range(200):
        batch = Moments(torch.randn(2000) + 1000, torch.ones(2000), 8)
        update_running_(mean, None, batch, 0.1)
        exact.lerp_(batch.mean.double(), 0.1)
    assert abs((mean.double() - exact).mean()) < 3e-5
