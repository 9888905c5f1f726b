"""A layer's gradient is compared with what it is once the layers below have moved."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from normkit.probes.covariate_shift import covariate_shift

RATE = 0.5


def layers_of(net: nn.Sequential) -> list[list[nn.Module]]:
    return [[net[0], net[1]], [net[4]]]


def test_cosine_and_drift_are_those_worked_out_by_hand(net, batch) -> None:
    images, labels = batch
    (found,) = covariate_shift(net, layers_of(net), images, labels, RATE, at=[1])

    before = copy.deepcopy(net).train()
    F.cross_entropy(before(images), labels).backward()
    moved = copy.deepcopy(net).train()
    with torch.no_grad():
        for mine, theirs in zip(moved[:2].parameters(), before[:2].parameters(), strict=True):
            mine -= RATE * theirs.grad
    F.cross_entropy(moved(images), labels).backward()
    cosine = F.cosine_similarity(
        before[4].weight.grad.flatten(), moved[4].weight.grad.flatten(), dim=0
    )
    assert found.cosine == pytest.approx(cosine.item(), abs=1e-5)

    one, other = (each[4](each[:4](images)).detach() for each in (before, moved))
    drift = (other.mean(0) - one.mean(0)).abs() / one.std(0, correction=0)
    assert found.drift == pytest.approx(drift.mean().item(), rel=1e-4)
    assert found.drift > 0.01


def test_without_a_step_nothing_shifts(net, batch) -> None:
    (found,) = covariate_shift(net, layers_of(net), *batch, 0.0, at=[1])
    assert found.cosine == pytest.approx(1)
    assert found.drift == 0


def test_dropout_drops_the_same_in_every_pass() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 32), nn.Dropout(0.5), nn.ReLU(), nn.Linear(32, 8), nn.ReLU(),
                        nn.Linear(8, 3))  # fmt: skip
    images, labels = torch.randn(16, 6), torch.randint(3, (16,))
    found = covariate_shift(net, [[net[0]], [net[3]], [net[5]]], images, labels, 0.0, at=[1, 2])
    assert [shift.cosine for shift in found] == pytest.approx([1, 1])
    assert [shift.drift for shift in found] == [0, 0]


def test_frozen_weights_take_no_step_and_have_no_gradient_to_compare(net, batch) -> None:
    (as_it_was,) = covariate_shift(net, layers_of(net), *batch, RATE, at=[1])
    net[0].weight.requires_grad_(False)
    (found,) = covariate_shift(net, layers_of(net), *batch, RATE, at=[1])
    assert 0 < found.drift < as_it_was.drift
    net[4].weight.requires_grad_(False)
    (found,) = covariate_shift(net, layers_of(net), *batch, RATE, at=[1])
    assert math.isnan(found.cosine)


def test_a_weight_that_is_made_of_others_is_compared_by_these(net, batch) -> None:
    (plain,) = covariate_shift(net, layers_of(net), *batch, RATE, at=[1])
    nn.utils.parametrizations.weight_norm(net[4])
    (found,) = covariate_shift(net, layers_of(net), *batch, RATE, at=[1])
    assert found.drift == pytest.approx(plain.drift, rel=1e-3)
    assert -1 <= found.cosine < 1


def test_a_layer_higher_up_sees_the_steps_of_all_below(batch) -> None:
    torch.manual_seed(1)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, 8), nn.Linear(8, 3))
    layers = [[net[1]], [net[3]], [net[4]]]
    both = covariate_shift(net, layers, *batch, RATE, at=[1, 2])
    alone = covariate_shift(net, layers, *batch, RATE, at=[2])
    assert both[1] == alone[0]


def test_the_model_is_as_it_was(net, batch, untouched) -> None:
    with untouched(net.eval()):
        covariate_shift(net, layers_of(net), *batch, RATE, at=[1])


def test_a_gradient_of_zero_has_no_direction(net, batch) -> None:
    nn.init.zeros_(net[1].weight)
    nn.init.zeros_(net[1].bias)
    (found,) = covariate_shift(net, layers_of(net), *batch, RATE, at=[1])
    assert math.isnan(found.cosine)


def test_a_layer_that_is_not_called_is_told(net, batch) -> None:
    with pytest.raises(RuntimeError, match="not called"):
        covariate_shift(net, [[net[0]], [nn.Linear(2, 2)]], *batch, RATE, at=[1])
