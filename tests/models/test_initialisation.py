"""Initial weights: their spread, and which layers are drawn anew."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

import normkit as nk
from normkit.models import INITIALISATIONS, build, initialise_

ON_WEIGHTS = [method.name for method in nk.catalogue().values() if method.on == "weights"]
DRAWN = [name for name in INITIALISATIONS if name != "default"]
SPREAD = {
    "he": lambda fan_in, fan_out: math.sqrt(2 / fan_in),
    "gaussian": lambda fan_in, fan_out: math.sqrt(2 / fan_in),
    "xavier": lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out)),
    "lecun": lambda fan_in, fan_out: math.sqrt(1 / fan_in),
    # An orthogonal matrix of 288 columns and 64 rows has entries of variance 1 / 288.
    "orthogonal": lambda fan_in, fan_out: math.sqrt(2 / fan_in),
}


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(32, 64, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 100), nn.Linear(100, 10)
    )


@pytest.mark.parametrize("gain", [0.01, 1.0, 10.0])
@pytest.mark.parametrize("name", DRAWN)
def test_the_spread_is_the_one_that_the_name_stands_for(name: str, gain: float) -> None:
    model = network()
    initialise_(model, name, gain=gain, generator=torch.Generator().manual_seed(0))
    weight = model[0].weight
    expected = gain * SPREAD[name](32 * 9, 64 * 9)
    assert weight.std().item() == pytest.approx(expected, rel=0.03)
    assert abs(weight.mean().item()) < 0.03 * expected


def test_orthogonal_rows_are_orthogonal_with_length_root_two() -> None:
    model = network()
    initialise_(model, "orthogonal")
    rows = model[0].weight.flatten(1)
    torch.testing.assert_close(rows @ rows.T, 2 * torch.eye(64), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", DRAWN)
def test_hidden_biases_are_zero_and_the_classifier_is_left_alone(name: str) -> None:
    model = network()
    weight, bias = model[-1].weight.clone(), model[-1].bias.clone()
    initialise_(model, name, gain=100.0)
    assert not model[0].bias.any()
    assert not model[3].bias.any()
    assert torch.equal(model[-1].weight, weight)
    assert torch.equal(model[-1].bias, bias)


def test_default_leaves_everything() -> None:
    model = network()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    initialise_(model, "default")
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key])


@pytest.mark.parametrize("model_name", ["plain", "vgg", "residual", "mlp"])
def test_every_hidden_layer_of_a_model_is_drawn_and_norms_are_not(model_name: str) -> None:
    model = build(
        model_name,
        num_classes=3,
        in_channels=1,
        image_size=(8, 8),
        norm="batch",
        init="gaussian",
        init_gain=100.0,
    )
    for block in model.blocks:
        assert block.linear.weight.std() > 3
        assert not block.linear.bias.any()
        if getattr(block.norm, "weight", None) is not None:
            assert torch.equal(block.norm.weight, torch.ones_like(block.norm.weight))
    assert model.classifier.weight.abs().max() < 1


@pytest.mark.parametrize("name", DRAWN)
def test_a_generator_makes_it_independent_of_torchs_random_state(name: str) -> None:
    first, second = network(), network()
    state = torch.get_rng_state()
    for model in (first, second):
        initialise_(model, name, generator=torch.Generator().manual_seed(5))
    assert torch.equal(first[0].weight, second[0].weight)
    assert torch.equal(torch.get_rng_state(), state)


def test_an_unknown_name_lists_the_close_matches() -> None:
    with pytest.raises(ValueError, match=r"'xaviar'\. Did you mean 'xavier'"):
        initialise_(network(), "xaviar")


@pytest.mark.parametrize("gain", [0.0, -1.0, math.inf, math.nan])
def test_a_gain_that_is_not_positive_and_finite_is_refused(gain: float) -> None:
    with pytest.raises(ValueError, match="positive and finite"):
        initialise_(network(), "he", gain=gain)


def test_default_takes_no_gain() -> None:
    with pytest.raises(ValueError, match="Use 'gaussian' with this gain"):
        initialise_(network(), "default", gain=2.0)


@pytest.mark.parametrize("name", INITIALISATIONS)
@pytest.mark.parametrize("norm", ON_WEIGHTS)
@pytest.mark.parametrize("model_name", ["plain", "mlp"])
def test_a_method_on_the_weights_normalises_what_is_drawn(
    model_name: str, norm: str, name: str
) -> None:
    model = build(
        model_name, num_classes=3, in_channels=1, image_size=(8, 8), norm=norm, init=name, depth=3
    )
    model(torch.randn(4, 1, 8, 8)).square().sum().backward()
    for block in model.blocks:
        assert is_parametrized(block.linear, "weight")
        assert block.linear.weight.isfinite().all()
        assert block.linear.weight.any()
        for parameter in block.linear.parametrizations.parameters():
            assert parameter.grad is not None
            assert parameter.grad.isfinite().all()


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("norm", ON_WEIGHTS)
def test_what_is_drawn_is_the_same_whatever_is_done_to_it(norm: str, name: str) -> None:
    plain, normalised = network(), network()
    for layer in (normalised[0], normalised[3]):
        nk.catalogue()[norm].layers[2](layer)
    state = torch.get_rng_state()
    for model in (plain, normalised):
        initialise_(model, name, generator=torch.Generator().manual_seed(5))
    assert torch.equal(torch.get_rng_state(), state)
    expected = nk.catalogue()[norm].layers[2](plain[0]).eval().weight
    torch.testing.assert_close(normalised[0].eval().weight, expected)


def test_weight_normalization_starts_from_the_weight_that_is_drawn() -> None:
    model = network()
    nk.nn.weight_norm(model[0])
    initialise_(model, "orthogonal")
    rows = model[0].weight.flatten(1)
    torch.testing.assert_close(rows @ rows.T, 2 * torch.eye(64), rtol=0, atol=1e-4)
