"""What moves running statistics, and what must not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from normkit import functional as F
from normkit.functional.running import update_running_
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
