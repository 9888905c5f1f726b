"""The loss is measured where a step of that length would lead, and the weights come back."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from normkit.probes.stability import losses_along_gradient, spread_between_steps


def test_each_loss_is_that_after_one_step_of_gradient_descent(net, batch) -> None:
    images, labels = batch
    found = losses_along_gradient(net, images, labels, [0.0, 0.1, 1.0])
    for length, loss in zip([0.0, 0.1, 1.0], found, strict=True):
        stepped = copy.deepcopy(net).train()
        optimizer = torch.optim.SGD(stepped.parameters(), lr=length)
        F.cross_entropy(stepped(images), labels).backward()
        optimizer.step()
        assert loss == pytest.approx(F.cross_entropy(stepped(images), labels).item(), rel=1e-5)


def test_dropout_drops_the_same_in_every_pass() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 32), nn.Dropout(0.5), nn.Linear(32, 3))
    images, labels = torch.randn(16, 6), torch.randint(3, (16,))
    losses = losses_along_gradient(net, images, labels, [0.0] * 4)
    assert len(set(losses)) == 1


def test_the_model_is_as_it_was(net, batch, untouched) -> None:
    with untouched(net.eval()):
        losses_along_gradient(net, *batch, [0.1, 10.0])


def test_the_model_is_as_it_was_even_if_a_forward_pass_fails(net, batch, untouched) -> None:
    images, labels = batch
    calls = iter([False, False, True])

    def fail(*_: object) -> None:
        if next(calls):
            raise OSError("in the middle")

    handle = net[4].register_forward_pre_hook(fail)
    state = copy.deepcopy(net.state_dict())
    with pytest.raises(OSError, match="middle"):
        losses_along_gradient(net, images, labels, [0.1, 0.2, 0.3])
    handle.remove()
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())


def test_works_where_gradients_are_switched_off(net, batch) -> None:
    with torch.no_grad():
        here, further = losses_along_gradient(net, *batch, [0.0, 0.01])
    assert further < here


def test_the_spread_between_steps_is_that_of_the_noise_whatever_the_trend() -> None:
    torch.manual_seed(0)
    noise = 0.1 * torch.randn(5000, dtype=torch.float64)
    trend = torch.linspace(3, 0, 5000, dtype=torch.float64)
    assert spread_between_steps((noise + trend).tolist()) == pytest.approx(0.1, rel=0.05)
