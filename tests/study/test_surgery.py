"""Norms of an arm in a network whose factory takes none."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from normkit.models import Made, MicroBatched
from normkit.nn import BatchNorm2d, GroupNorm, Identity
from normkit.study.layers import layers
from normkit.study.surgery import with_norm
from normkit.user_code import UserCodeError

IMAGES = torch.zeros(4, 1, 8, 8)


def with_norms() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.Conv2d(4, 6, 3, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(96, 2),
    )


def without_norms() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.ReLU(inplace=True),
        nn.Conv2d(4, 6, 3),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(96, 2),
    )


def test_norms_that_are_there_are_swapped() -> None:
    made = with_norm(Made(with_norms(), None), "group", IMAGES)
    assert (made.norms, made.by) == (2, "swap")
    assert isinstance(made.model[1], GroupNorm)
    assert isinstance(made.model[4], GroupNorm)


def test_without_them_the_layers_have_biases_and_the_same_weights() -> None:
    made = with_norm(Made(with_norms(), None), "none", IMAGES)
    assert (made.norms, made.by) == (2, "swap")
    assert isinstance(made.model[1], Identity)
    assert torch.equal(made.model[0].bias, torch.zeros(4))
    assert torch.equal(made.model[3].weight, with_norms()[3].weight)


def test_where_there_are_none_they_are_inserted_before_activations() -> None:
    made = with_norm(Made(without_norms(), None), "batch", IMAGES)
    assert (made.norms, made.by) == (2, "insert")
    assert isinstance(made.model[0].norm, BatchNorm2d)
    assert made.model[2].bias is None
    assert torch.equal(made.model[2].weight, without_norms()[2].weight)


def test_the_arm_without_is_the_network_as_it_is() -> None:
    made = with_norm(Made(without_norms(), None), "none", IMAGES)
    assert (made.norms, made.by) == (2, "insert")
    state = made.model.state_dict()
    for name, tensor in without_norms().state_dict().items():
        assert torch.equal(state[name], tensor)


def test_micro_batches_go_into_either() -> None:
    norm = partial(MicroBatched, "batch", size=2)
    for make in (with_norms, without_norms):
        model = with_norm(Made(make(), None), norm, IMAGES).model
        found = [module for module in model.modules() if isinstance(module, MicroBatched)]
        assert len(found) == 2
        model.train()(torch.randn(4, 1, 8, 8))
        assert [int(module.norm.num_batches_tracked) for module in found] == [2, 2]


def test_an_inserted_norm_is_seen_with_its_own_layer() -> None:
    model = with_norm(Made(without_norms(), None), "batch", IMAGES).model
    first, second = layers(model, torch.randn(4, 1, 8, 8))
    assert (first.linear, first.norm) == (model[0], model[0].norm)
    assert (second.linear, second.norm) == (model[2], model[2].norm)


def test_a_norm_that_cannot_stand_at_a_place_is_refused() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(4)
    )
    with pytest.raises(UserCodeError, match=r"^it cannot stand at '3' of the network: each "):
        with_norm(Made(model, None), "instance", IMAGES)


def test_a_method_on_the_weights_is_refused() -> None:
    with pytest.raises(UserCodeError, match="'weight_norm' is a method on the weights"):
        with_norm(Made(with_norms(), None), "weight_norm", IMAGES)


def test_a_network_without_a_place_is_left_as_it_is() -> None:
    made = Made(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), None)
    assert with_norm(made, "batch", IMAGES) == made


def test_a_network_that_raises_tells_on_what() -> None:
    with pytest.raises(UserCodeError, match=r"a batch of images of shape \(4, 1, 8, 8\): Runtime"):
        with_norm(Made(nn.Linear(3, 2), None), "batch", IMAGES)
