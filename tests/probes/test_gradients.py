"""Gradient norms are those of the loss at each layer's output; their slope says where they go."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from normkit.probes.gradients import gradient_norms, slope_per_layer


def test_equals_the_gradient_worked_out_by_hand(
    net: nn.Sequential, batch: tuple[torch.Tensor, torch.Tensor]
) -> None:
    images, labels = batch
    hidden = net[0](images).detach().requires_grad_()
    logits = net[1:](hidden)
    # What cross-entropy sends upstream: (softmax − one-hot) / N, a different one per sample.
    upstream = (logits.softmax(1) - F.one_hot(labels, 3)) / len(labels)
    logits.backward(upstream.detach())
    assert hidden.grad is not None
    expected = [hidden.grad.norm().item(), upstream.norm().item()]
    assert gradient_norms(net, [net[0], net[4]], images, labels) == pytest.approx(expected)


def test_is_measured_in_training_mode_and_leaves_the_model_as_it_was(
    net: nn.Sequential, batch: tuple[torch.Tensor, torch.Tensor]
) -> None:
    training = gradient_norms(net.train(), [net[0]], *batch)
    before = {name: value.clone() for name, value in net.eval().state_dict().items()}
    assert gradient_norms(net, [net[0]], *batch) == training
    assert not net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())
    assert not any(module._forward_hooks for module in net.modules())


def test_works_where_gradients_are_switched_off(
    net: nn.Sequential, batch: tuple[torch.Tensor, torch.Tensor]
) -> None:
    with torch.no_grad():
        assert gradient_norms(net, [net[0]], *batch)[0] > 0


def test_a_layer_that_is_not_called_is_an_error(
    net: nn.Sequential, batch: tuple[torch.Tensor, torch.Tensor]
) -> None:
    with pytest.raises(RuntimeError, match="not called: Linear"):
        gradient_norms(net, [net[0], nn.Linear(1, 1)], *batch)
    assert not net[0]._forward_hooks


def test_a_layer_that_the_loss_does_not_depend_on_is_an_error(
    batch: tuple[torch.Tensor, torch.Tensor],
) -> None:
    class Aside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.aside = nn.Linear(64, 3), nn.Conv2d(1, 1, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.aside(x)
            return self.used(x.flatten(1))

    net = Aside()
    with pytest.raises(RuntimeError, match="does not depend on that of Conv2d"):
        gradient_norms(net, [net.used, net.aside], *batch)


@pytest.mark.parametrize(
    ("norms", "slope"),
    [
        ([8.0, 4.0, 2.0, 1.0], math.log10(2)),  # doubles with every layer down: explodes
        ([1.0, 2.0, 4.0, 8.0], -math.log10(2)),  # halves with every layer down: vanishes
        ([3.0, 3.0, 3.0], 0.0),
        ([1e-3, 1e-2, 1e-1, 1.0], -1.0),
    ],
)
def test_the_slope_is_positive_where_gradients_grow_on_their_way_down(
    norms: list[float], slope: float
) -> None:
    assert slope_per_layer(norms) == pytest.approx(slope, abs=1e-12)


def test_layers_whose_norm_is_zero_or_not_finite_are_left_out() -> None:
    norms = [0.0, 4.0, math.inf, 1.0, math.nan, 0.25]
    assert slope_per_layer(norms) == pytest.approx(math.log10(2))


@pytest.mark.parametrize("norms", [[], [1.0, 2.0], [0.0, 1.0, 2.0], [math.nan] * 5])
def test_there_is_no_slope_through_fewer_than_three_layers(norms: list[float]) -> None:
    assert slope_per_layer(norms) is None
