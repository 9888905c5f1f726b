"""New norms for the places that a surgery puts them in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

import normkit as nk
from normkit.surgery.dataflow import Call
from normkit.surgery.making import Maps, check_norm, maps_of, new_norm

LIKE = nn.Linear(1, 1)


def call(taken: tuple[int, ...], given: tuple[int, ...] | None = None) -> Call:
    return Call(
        index=0,
        name="layer",
        module=LIKE,
        function=None,
        takes=(-1,),
        input_shapes=(torch.Size(taken),),
        shapes=(torch.Size(given or taken),),
        in_place=False,
        is_output=True,
    )


def maps(channels: int = 8, dims: int = 2, positions: int = 49, values: int = 196) -> Maps:
    return Maps(channels, dims, positions, values)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((4, 8), Maps(8, 1, 1, 4)),
        ((4, 8, 5), Maps(8, 1, 5, 20)),
        ((4, 8, 5, 3), Maps(8, 2, 15, 60)),
        ((4, 8, 5, 3, 2), Maps(8, 3, 30, 120)),
    ],
)
def test_maps_tell_channels_dims_positions_and_values(
    shape: tuple[int, ...], expected: Maps
) -> None:
    assert maps_of([call(shape)], of_output=False) == expected


def test_of_several_calls_the_smallest_map_counts() -> None:
    found = maps_of([call((4, 8, 5, 5)), call((2, 8, 3, 3))], of_output=False)
    assert found == Maps(8, 2, 9, 18)


def test_what_a_layer_takes_and_what_it_gives_are_two_things() -> None:
    one = call((4, 3, 9, 9), (4, 8, 7, 7))
    assert maps_of([one], of_output=False) == Maps(3, 2, 81, 324)
    assert maps_of([one], of_output=True) == Maps(8, 2, 49, 196)


def test_a_call_by_keyword_shows_no_maps() -> None:
    unseen = replace(call((4, 8, 5, 5)), takes=(), input_shapes=())
    assert "called by keyword" in str(maps_of([unseen], of_output=False))


@pytest.mark.parametrize("shape", [(4,), (1, 2, 3, 4, 5, 6)])
def test_tensors_of_other_ranks_have_no_channels(shape: tuple[int, ...]) -> None:
    assert "has 2 to 5 axes" in str(maps_of([call(shape)], of_output=False))


@pytest.mark.parametrize("other", [(4, 6, 5, 5), (4, 8, 5)])
def test_calls_of_different_kinds_have_no_norm_in_common(other: tuple[int, ...]) -> None:
    found = maps_of([call((4, 8, 5, 5)), call(other)], of_output=False)
    assert found == "its calls have maps of different kinds"


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_a_norm_is_made_for_its_maps(dims: int) -> None:
    made = new_norm("batch", maps(dims=dims), {}, LIKE)
    assert type(made) is getattr(nk.nn, f"BatchNorm{dims}d")


def test_it_is_in_the_precision_of_the_layer() -> None:
    made = new_norm("batch", maps(), {}, nn.Linear(1, 1, dtype=torch.float64))
    assert isinstance(made, nn.Module)
    assert made.weight.dtype is torch.float64


def test_a_layer_without_floating_point_parameters_tells_no_precision() -> None:
    made = new_norm("batch", maps(), {}, nn.ReLU())
    assert isinstance(made, nn.Module)
    assert made.weight.dtype is torch.float32


@pytest.mark.parametrize("method", ["group", "group_rms", "batch_channel", "evonorm_s0"])
def test_groups_are_legal_whatever_is_asked(method: str) -> None:
    made = new_norm(method, maps(channels=24), {"num_groups": 7}, LIKE)
    assert isinstance(made, nn.Module)
    assert made.num_groups == 6


def test_the_options_that_were_given_are_not_changed() -> None:
    options: dict[str, Any] = {"num_groups": 7}
    new_norm("group", maps(), options, LIKE)
    assert options == {"num_groups": 7}


@pytest.mark.parametrize(
    ("method", "where"),
    [
        ("batch", maps(positions=1, values=1)),
        ("instance", maps(positions=1, values=4)),
        ("channel_layer", maps(channels=1)),
        ("layer", maps(channels=1, positions=1)),
    ],
)
def test_a_statistic_of_one_value_is_refused_with_the_reason(method: str, where: Maps) -> None:
    made = new_norm(method, where, {}, LIKE)
    assert isinstance(made, str)
    assert "one value there, which" in made


def test_a_function_that_makes_such_a_norm_is_refused_too() -> None:
    def norm(channels: int, dims: int = 2) -> nn.Module:
        return nk.nn.InstanceNorm2d(channels)

    assert "one value" in str(new_norm(norm, maps(positions=1, values=4), {}, LIKE))
    assert isinstance(new_norm(norm, maps(), {}, LIKE), nk.nn.InstanceNorm2d)


def test_options_go_to_a_function_as_well() -> None:
    def norm(channels: int, dims: int = 2, groups: int = 1) -> nn.Module:
        return nn.GroupNorm(groups, channels)

    made = new_norm(norm, maps(), {"groups": 4}, LIKE)
    assert isinstance(made, nn.GroupNorm)
    assert made.num_groups == 4


def test_names_and_functions_are_accepted() -> None:
    check_norm("a verb", "batch")
    check_norm("a verb", nk.nn.BatchNorm2d)


@pytest.mark.parametrize(
    ("norm", "error", "told"),
    [
        ("bach", ValueError, "Did you mean 'batch'"),
        ("weight_norm", ValueError, r"put it on each layer with nk\.nn\.weight_norm"),
        (7, TypeError, "a verb takes a method's name, .* got a int"),
    ],
)
def test_what_names_no_layer_is_refused(norm: Any, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        check_norm("a verb", norm)


def test_a_function_s_norm_of_pytorch_is_flagged_where_it_would_erase() -> None:
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(4))
    surgery = nk.swap_(
        model,
        lambda channels, dims=2: nn.GroupNorm(channels, channels),
        example=torch.randn(4, 4, 3, 3),
    )
    assert surgery.sites[0].done is None
    assert "which 'group' would erase" in str(surgery.sites[0].refused)


def test_a_function_s_norm_of_pytorch_cancels_a_bias_too() -> None:
    model = nn.Sequential(nn.Conv2d(2, 4, 1), nn.ReLU())
    nk.insert_(model, lambda channels, dims=2: nn.BatchNorm2d(channels), torch.randn(4, 2, 3, 3))
    assert model[0].bias is None
