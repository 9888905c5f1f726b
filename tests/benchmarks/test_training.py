"""A step of training is the same work for every arm, on the same batches."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from networks.training import Training, batches, disturb_, network, quartiles, ratios


def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 1000))


def test_a_step_takes_the_next_batch_and_moves_the_weights() -> None:
    training = Training(small(), batches(3, 4, 8, "contiguous"))
    expected = [training.forward(0).item()]
    training.step()
    expected += [training.forward(1).item()]
    training.step()
    assert training.losses == expected
    assert training.forward(0).item() < expected[0]


def test_gradients_leave_the_training_as_it_was() -> None:
    training = Training(small(), batches(1, 4, 8, "contiguous"))
    gradients = training.gradients()
    parameters = dict(training.model.named_parameters())
    assert all(p.grad is None for p in parameters.values())
    training.forward().backward()
    assert all(torch.equal(gradients[name], p.grad) for name, p in parameters.items())


def test_batches_are_the_same_in_every_layout() -> None:
    for (x, y), (u, v) in zip(
        batches(2, 4, 8, "contiguous"), batches(2, 4, 8, "channels_last"), strict=True
    ):
        assert torch.equal(x, u)
        assert torch.equal(y, v)
        assert x.stride() != u.stride()


def test_disturbed_weights_are_off_by_about_a_rounding() -> None:
    model = network("mobilenet_v2", "pytorch", "contiguous")
    before = [p.detach().clone() for p in model.parameters()]
    after = list(disturb_(model).parameters())
    assert any(not torch.equal(p, q) for p, q in zip(before, after, strict=True))
    for p, q in zip(before, after, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-6, atol=0)


def test_quartiles_stand_beside_the_median() -> None:
    assert quartiles([5.0, 1.0, 3.0, 2.0, 4.0]) == {"median": 3.0, "low": 2.0, "high": 4.0}


def test_ratios_are_taken_round_by_round() -> None:
    assert ratios([1.0, 20.0, 3.0], [1.0, 10.0, 1.0])["median"] == 2.0
    with pytest.raises(ValueError, match="argument 2"):
        ratios([1.0], [1.0, 2.0])
