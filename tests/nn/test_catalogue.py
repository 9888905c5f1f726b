"""Layers by name."""

from __future__ import annotations

import inspect

import pytest
import torch

import normkit as nk
from normkit import nn
from normkit.nn.group import default_groups
from normkit.nn.method import Method

METHODS = list(nk.catalogue().values())
LAYERS = [method for method in METHODS if method.on == "activations"]
ON_WEIGHTS = [method for method in METHODS if method.on == "weights"]
MAPS = {1: (7,), 2: (4, 3), 3: (2, 3, 2)}

# Without γ, β and statistics there is nothing that a number of channels would have to fit.
CHANNELS_DO_NOT_MATTER = ("instance", "local_response", "positional", "dynamic_tanh")

every_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
every_layer = pytest.mark.parametrize("method", LAYERS, ids=lambda method: method.name)
on_weights = pytest.mark.parametrize("method", ON_WEIGHTS, ids=lambda method: method.name)
every_dims = pytest.mark.parametrize("dims", [1, 2, 3], ids=lambda dims: f"{dims}d")


def test_the_keys_are_the_names_of_the_methods() -> None:
    assert [method.name for method in METHODS] == list(nk.catalogue())
    assert {"none", "batch", "layer", "channel_layer", "instance", "group", "rms"} <= set(
        nk.catalogue()
    )


def test_it_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        nk.catalogue()["mine"] = METHODS[0]  # type: ignore[index]
    with pytest.raises(AttributeError):
        METHODS[0].name = "mine"  # type: ignore[misc]


@every_layer
@every_dims
def test_make_gives_the_class_the_keys_and_an_activation(method: Method, dims: int) -> None:
    layer = nk.make(method.name, 6, dims=dims, act="relu")
    assert type(layer) is method.layers[dims]
    assert tuple(layer.state_dict()) == method.state_dict
    y = layer(torch.randn(4, 6, *MAPS[dims]))
    assert y.shape == (4, 6, *MAPS[dims])
    assert y.min() >= 0


@every_layer
@every_dims
def test_affine_can_be_switched_off(method: Method, dims: int) -> None:
    layer = nk.make(method.name, 6, dims=dims, affine=False)
    besides = set(method.state_dict) - {"weight", "bias"}
    assert {name for name, _ in layer.named_parameters()} <= besides
    assert layer(torch.randn(4, 6, *MAPS[dims])).shape == (4, 6, *MAPS[dims])


@every_method
def test_the_options_are_all_that_the_class_takes_besides(method: Method) -> None:
    taken = set(inspect.signature(method.layers[2]).parameters)
    handled = {"num_features", "num_channels", "affine", "elementwise_affine", "act"}
    if method.name == "layer":
        handled.add("num_groups")
    if method.on == "weights":
        handled.add("module")
    assert set(method.options) == taken - handled


@pytest.mark.parametrize("name", [method.name for method in LAYERS if "eps" in method.options])
def test_options_reach_the_layer(name: str) -> None:
    layer = nk.make(name, 6, eps=0.25, dtype=torch.float64)
    assert layer.eps == 0.25
    assert all(p.dtype is torch.float64 for p in layer.parameters())


@on_weights
@every_dims
def test_a_method_on_the_weights_gives_a_layer_its_keys(method: Method, dims: int) -> None:
    plain = (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)[dims - 1](4, 6, 3, padding=1)
    layer = method.layers[dims](plain)
    assert layer is plain
    assert set(layer.state_dict()) == {"bias", *method.state_dict}
    assert layer(torch.randn(4, 4, *MAPS[dims])).shape == (4, 6, *MAPS[dims])


@on_weights
def test_there_is_no_layer_of_a_method_on_the_weights(method: Method) -> None:
    with pytest.raises(ValueError, match=rf"on the weights.*nk\.nn\.{method.name}\(conv\)"):
        nk.make(method.name, 64)


def test_a_standardised_sample_has_the_axes_that_the_method_names() -> None:
    x = torch.randn(6, 8, 5, 5) * torch.rand(6, 8, 5, 5) * 9 + torch.randn(6, 8, 1, 1)
    axes = {
        "batch": (0, 2, 3),
        "layer": (1, 2, 3),
        "channel_layer": (1,),
        "instance": (2, 3),
    }
    for name, over in axes.items():
        y = nk.make(name, 8)(x)
        assert y.mean(over).abs().max() < 1e-5, name
        torch.testing.assert_close(
            y.var(over, correction=0), torch.ones_like(y.mean(over)), rtol=1e-3, atol=1e-3
        )


@pytest.mark.parametrize(
    ("channels", "groups"),
    [(1, 1), (2, 1), (3, 1), (4, 2), (6, 3), (7, 1), (16, 8), (48, 24), (64, 32), (96, 32)],
)
def test_the_default_groups_have_at_least_two_channels_and_are_at_most_32(
    channels: int, groups: int
) -> None:
    assert default_groups(channels) == groups
    assert nk.make("group", channels).num_groups == groups


def test_the_number_of_groups_can_be_chosen() -> None:
    assert nk.make("group", 64, num_groups=4).num_groups == 4


def test_layer_has_one_group_and_takes_no_other() -> None:
    assert nk.make("layer", 64).num_groups == 1
    with pytest.raises(TypeError, match="takes no option 'num_groups'"):
        nk.make("layer", 64, num_groups=2)


def test_an_unknown_name_lists_the_close_matches_and_all_names() -> None:
    with pytest.raises(ValueError, match=r"'bach'\. Did you mean 'batch'\?.*instance, group, rms"):
        nk.make("bach", 8)


def test_an_unknown_option_names_those_that_are_taken() -> None:
    with pytest.raises(TypeError, match=r"'momentun'.*Did you mean 'momentum'.*affine, act, eps"):
        nk.make("batch", 8, momentun=0.2)
    with pytest.raises(TypeError, match=r"'rms' takes no option 'bias'"):
        nk.make("rms", 8, bias=False)


@pytest.mark.parametrize("dims", [0, 4, "2"])
def test_another_number_of_dims_is_refused(dims: int) -> None:
    with pytest.raises(ValueError, match="1, 2 or 3"):
        nk.make("batch", 8, dims=dims)


@pytest.mark.parametrize("channels", [0, -1, 2.0, True])
def test_channels_that_are_not_a_positive_number_are_refused(channels: int) -> None:
    with pytest.raises(ValueError, match="whole number of at least 1"):
        nk.make("batch", channels)


def test_layers_of_one_key_stand_for_a_norm_callable() -> None:
    assert isinstance(nk.make("channel_layer", 8), nn.LayerNorm2d)
    assert isinstance(nk.make("batch", 8, dims=1), nn.BatchNorm1d)


@pytest.mark.parametrize(
    "name", [m.name for m in LAYERS if m.name not in ("none", *CHANNELS_DO_NOT_MATTER)]
)
def test_another_number_of_channels_is_refused_with_affine_and_without(name: str) -> None:
    for affine in (True, False):
        layer = nk.make(name, 6, affine=affine)
        with pytest.raises(ValueError, match="12 channels on axis 1"):
            layer(torch.randn(4, 12, 5, 5))


@pytest.mark.parametrize(("name", "dims"), [("batch", [2]), ("batch", "2"), (["batch"], 2)])
def test_names_and_dims_of_another_type_are_refused(name: object, dims: object) -> None:
    with pytest.raises(ValueError, match=r"unknown method|1, 2 or 3"):
        nk.make(name, 8, dims=dims)


def test_groups_that_are_no_whole_number_are_refused() -> None:
    for groups in (2.0, "2", 0, True):
        with pytest.raises(ValueError, match="The divisors of 8 are 1, 2, 4, 8"):
            nk.make("group", 8, num_groups=groups)
