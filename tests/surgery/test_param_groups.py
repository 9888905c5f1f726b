"""Norms and biases are not decayed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations
from torch.optim import SGD, AdamW

import normkit as nk
from normkit.nn.catalogue import catalogue


def names_of(model: nn.Module, groups: list[dict[str, object]]) -> list[list[str]]:
    names = {parameter: name for name, parameter in model.named_parameters()}
    return [[names[parameter] for parameter in group["params"]] for group in groups]  # type: ignore


def test_weights_are_decayed_and_norms_and_biases_are_not() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 2))
    groups = nk.param_groups(model, weight_decay=0.1, lr=0.5)
    assert names_of(model, groups) == [
        ["0.weight", "3.weight"],
        ["0.bias", "1.weight", "1.bias", "3.bias"],
    ]
    assert [(group["weight_decay"], group["lr"]) for group in groups] == [(0.1, 0.5), (0.0, 0.5)]


@pytest.mark.parametrize(
    "name", [name for name, method in catalogue().items() if method.on == "activations"]
)
def test_no_parameter_of_any_norm_is_decayed(name: str) -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nk.make(name, 8))
    groups = nk.param_groups(model, weight_decay=0.1)
    assert names_of(model, groups)[0] == ["0.weight"]
    assert {p for group in groups for p in group["params"]} == set(model.parameters())


def test_norms_over_several_axes_are_spared_too() -> None:
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.LayerNorm((3, 4)))
    assert names_of(model, nk.param_groups(model, weight_decay=0.1)) == [
        ["0.weight"],
        ["1.weight", "1.bias"],
    ]


def test_each_parameter_comes_once_and_only_if_it_is_trained() -> None:
    shared = nn.Linear(4, 4)
    model = nn.Sequential(shared, shared, nn.BatchNorm1d(4))
    model[2].weight.requires_grad_(False)
    assert names_of(model, nk.param_groups(model, weight_decay=0.1)) == [
        ["0.weight"],
        ["0.bias", "2.bias"],
    ]


def test_a_group_that_would_be_empty_is_left_out() -> None:
    assert len(nk.param_groups(nn.Linear(2, 2, bias=False), weight_decay=0.1)) == 1
    (spared,) = nk.param_groups(nn.BatchNorm1d(2), weight_decay=0.1)
    assert spared["weight_decay"] == 0.0


@pytest.mark.parametrize("kind", [SGD, AdamW])
def test_a_step_without_a_gradient_shrinks_weights_alone(kind: type[SGD] | type[AdamW]) -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    model[0].bias.data.fill_(2.0)
    optimizer = kind(nk.param_groups(model, weight_decay=0.5), lr=0.1)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    optimizer.step()
    changed = [name for name, p in model.named_parameters() if not torch.equal(p, before[name])]
    assert changed == ["0.weight"]


@pytest.mark.parametrize("decay", [-0.1, float("nan")])
def test_a_decay_that_is_negative_or_no_number_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match="weight_decay must be at least 0"):
        nk.param_groups(nn.Linear(2, 2), weight_decay=decay)


def test_a_model_in_which_nothing_is_trained_is_refused() -> None:
    with pytest.raises(ValueError, match="this model has none"):
        nk.param_groups(nn.Linear(2, 2).requires_grad_(False), weight_decay=0.1)


def test_what_insert_adds_is_spared() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    nk.insert_(model, "batch", torch.randn(2, 3, 6, 6))
    assert names_of(model, nk.param_groups(model, weight_decay=0.1)) == [
        ["0.weight"],
        ["0.norm.weight", "0.norm.bias"],
    ]


@pytest.mark.parametrize("weight_norm", [parametrizations.weight_norm, nk.nn.weight_norm])
def test_the_gains_of_a_weight_norm_are_spared(weight_norm: Any) -> None:
    layer = nn.Conv2d(2, 3, 3, bias=False)
    weight_norm(layer)
    decayed, spared = nk.param_groups(layer, weight_decay=0.1)
    assert [parameter.shape for parameter in spared["params"]] == [(3, 1, 1, 1)]
    assert [parameter.shape for parameter in decayed["params"]] == [(3, 2, 3, 3)]
