"""One forward pass, watched: what ran is what is seen, and nothing is left behind."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

import normkit as nk
from normkit.surgery.dataflow import INPUT, OUTSIDE


class Model(nn.Module):
    """Some layers, and a function that calls them."""

    def __init__(self, way: Callable[[Any, Tensor], Any], **layers: nn.Module) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.way = way

    def forward(self, x: Tensor) -> Any:
        return self.way(self, x)


def told(model: nn.Module, x: Tensor) -> list[tuple[str, str, tuple[int, ...]]]:
    return [(call.what, call.name, call.takes) for call in nk.flow(model, x)]


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, 3, 5, 4)


def conv() -> nn.Conv2d:
    return nn.Conv2d(3, 3, 1)


def test_layers_are_seen_in_order_by_name(x: Tensor) -> None:
    model = nn.Sequential(nn.Sequential(conv(), nn.BatchNorm2d(3)), nn.ReLU(), nn.Flatten())
    assert told(model, x) == [
        ("Conv2d", "0.0", (INPUT,)),
        ("BatchNorm2d", "0.1", (0,)),
        ("ReLU", "1", (1,)),
        ("Flatten", "2", (2,)),
    ]


def test_a_reused_layer_is_a_call_each_time(x: Tensor) -> None:
    model = Model(lambda self, x: self.conv(self.conv(x)), conv=conv())
    seen = nk.flow(model, x)
    assert [(call.name, call.takes) for call in seen] == [("conv", (INPUT,)), ("conv", (0,))]
    assert seen.calls_of(model.conv) == list(seen)


def test_one_layer_under_two_names_goes_by_the_first(x: Tensor) -> None:
    shared = conv()
    assert [call.name for call in nk.flow(nn.Sequential(shared, shared), x)] == ["0", "0"]


def test_residuals_are_seen_on_either_side(x: Tensor) -> None:
    model = Model(lambda self, x: x + self.conv(x), conv=conv())
    assert told(model, x) == [("Conv2d", "conv", (INPUT,)), ("add", "", (INPUT, 0))]


def test_functions_go_by_the_module_that_calls_them(x: Tensor) -> None:
    inner = Model(lambda self, x: F.relu(self.conv(x)), conv=conv())
    model = Model(lambda self, x: torch.tanh(self.inner(x)), inner=inner)
    assert told(model, x) == [
        ("Conv2d", "inner.conv", (INPUT,)),
        ("relu", "inner", (0,)),
        ("tanh", "", (1,)),
    ]


def in_place_sum(self: Any, x: Tensor) -> Tensor:
    y: Tensor = self.conv(x)
    y += x
    return F.relu(y, inplace=True)


def test_a_sum_in_place_is_a_call_of_which_the_next_reads(x: Tensor) -> None:
    seen = nk.flow(Model(in_place_sum, conv=conv()), x)
    assert [(call.what, call.takes, call.in_place) for call in seen] == [
        ("Conv2d", (INPUT,), False),
        ("add_", (0, INPUT), True),
        ("relu", (1,), True),
    ]
    assert [call.is_output for call in seen] == [False, False, True]


def test_a_change_of_a_part_is_a_change(x: Tensor) -> None:
    def way(self: Any, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        y[:, 0] = 0.0
        return torch.relu(y)

    assert told(Model(way, conv=conv()), x)[1:] == [("setitem", "", (0,)), ("relu", "", (1,))]


def test_what_is_written_into_is_seen(x: Tensor) -> None:
    def way(self: Any, x: Tensor) -> Tensor:
        out = torch.empty_like(x)
        torch.add(self.conv(x), 1, out=out)
        return torch.relu(out)

    seen = nk.flow(Model(way, conv=conv()), x)
    assert [call.what for call in seen] == ["empty_like", "Conv2d", "add", "relu"]
    assert seen.sources(seen.calls[3]) == [seen.calls[2]]


def test_the_branch_that_ran_is_what_is_seen(x: Tensor) -> None:
    def way(self: Any, x: Tensor) -> Tensor:
        if float(x.sum()) > 0:
            return torch.relu(x)
        for _ in range(x.shape[0]):
            x = torch.tanh(x)
        return x

    model = Model(way)
    with pytest.raises(TypeError, match="Proxy"):
        torch.fx.symbolic_trace(model)
    assert [what for what, *_ in told(model, x.abs())] == ["sum", "relu"]
    assert [what for what, *_ in told(model, -x.abs())] == ["sum", "tanh", "tanh"]


def test_lists_and_dictionaries_are_looked_into(x: Tensor) -> None:
    def way(self: Any, x: Tensor) -> Tensor:
        features = {"a": [self.one(x), (x, self.other(x))]}
        return torch.cat([features["a"][0], *features["a"][1]], dim=1)

    assert told(Model(way, one=conv(), other=conv()), x)[-1] == ("cat", "", (0, INPUT, 1))


@dataclass
class Result:
    first: Tensor
    rest: dict[str, Tensor]


OUTPUTS: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "tuple": lambda a, b: (a, b),
    "list": lambda a, b: [a, [b]],
    "dictionary": lambda a, b: {"a": a, "b": {"c": b}},
    "dataclass": lambda a, b: Result(a, {"b": b}),
    "a dataclass in a tuple": lambda a, b: (Result(a, {}), b),
}


@pytest.mark.parametrize("make", OUTPUTS.values(), ids=OUTPUTS)
def test_outputs_are_found_whatever_holds_them(
    make: Callable[[Tensor, Tensor], Any], x: Tensor
) -> None:
    def way(self: Any, x: Tensor) -> Any:
        y = self.conv(x)
        return make(torch.relu(y), torch.tanh(y))

    seen = nk.flow(Model(way, conv=conv()), x)
    assert [call.is_output for call in seen] == [False, True, True]


class Many(nn.Module):
    """Hands its maps on in a container of its own."""

    def __init__(self, make: Callable[[Tensor, Tensor], Any]) -> None:
        super().__init__()
        self.one, self.make = conv(), make

    def forward(self, x: Tensor) -> Any:
        return self.make(self.one(x), x)


def test_what_modules_hand_one_another_in_containers_is_followed(x: Tensor) -> None:
    inner = Many(lambda a, b: Result(a, {"b": b}))
    model = Model(lambda self, x: self.last(self.inner(x).first), inner=inner, last=conv())
    assert told(model, x) == [("Conv2d", "inner.one", (INPUT,)), ("Conv2d", "last", (0,))]


def test_identities_and_dropout_in_evaluation_are_no_calls(x: Tensor) -> None:
    model = nn.Sequential(conv(), nn.Identity(), nn.Dropout(), nn.Dropout2d(), nn.ReLU())
    assert [what for what, *_ in told(model.eval(), x)] == ["Conv2d", "ReLU"]
    assert told(model, x)[1][2] == (0,)
    assert len(told(model.train(), x)) == 4


def test_parameters_and_constants_come_from_outside(x: Tensor) -> None:
    model = Model(lambda self, x: x * self.weight)
    model.weight = nn.Parameter(torch.ones(1))
    assert told(model, x) == [("mul", "", (INPUT, OUTSIDE))]


def test_a_layer_with_layers_inside_is_one_call(x: Tensor) -> None:
    norm = nk.make("switchable", 3, dims=2)
    model = nn.Sequential(nk.nn.weight_norm(conv()), norm, nk.nn.BatchNorm2d(3, act=nn.PReLU()))
    assert [name for _, name, _ in told(model, x)] == ["0", "1", "2"]


def test_a_norm_of_the_users_own_is_one_call(x: Tensor) -> None:
    class Doubled(nn.BatchNorm2d):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * 2

    assert told(nn.Sequential(Doubled(3)), x) == [("Doubled", "0", (INPUT,))]


def test_shapes_are_told(x: Tensor) -> None:
    model = Model(lambda self, x: self.conv(x).flatten(1).chunk(2, 1), conv=conv())
    seen = nk.flow(model, x)
    assert [call.input_shapes for call in seen] == [((2, 3, 5, 4),), ((2, 3, 5, 4),), ((2, 60),)]
    assert seen.calls[-1].shapes == ((2, 30), (2, 30))


def test_of_what_lends_its_shape_nothing_is_read(x: Tensor) -> None:
    def way(self: Any, x: Tensor) -> Tensor:
        y = self.conv(x)
        return torch.relu(y.flatten(1)).view_as(y)

    seen = nk.flow(Model(way, conv=conv()), x)
    assert [call.what for call in seen.readers(seen.calls[0])] == ["flatten"]


def test_what_a_model_catches_does_not_end_the_watch(x: Tensor) -> None:
    def way(self: Any, x: Tensor) -> Tensor:
        try:
            self.fits_not(x)
        except RuntimeError:
            x = self.conv(x)
        return torch.relu(x)

    model = Model(way, conv=conv(), fits_not=nn.Conv2d(7, 3, 1))
    assert [what for what, *_ in told(model, x)] == ["Conv2d", "relu"]


class Stateful(nn.Module):
    """Moves all that a forward pass can."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.drop = nn.BatchNorm2d(3), nn.Dropout()
        self.register_buffer("calls", torch.zeros(()))
        self.raises = False

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.eval()
        random.random()
        np.random.rand()
        y: Tensor = self.drop(self.norm(x)) + torch.rand_like(x)
        if self.raises:
            raise KeyError("as it is")
        return y


@pytest.mark.parametrize("raises", [False, True])
def test_all_is_as_before_also_where_the_model_raises(raises: bool, x: Tensor) -> None:
    model = Stateful()
    model.raises = raises
    model.norm.weight.grad = torch.ones(3)
    model.drop.eval()
    before, original = copy.deepcopy(model.state_dict()), x.clone()
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    hooks = len(torch_module._global_forward_hooks), len(torch_module._global_forward_pre_hooks)
    if raises:
        with pytest.raises(KeyError, match="as it is"):
            nk.flow(model, x)
    else:
        nk.flow(model, x)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    assert (model.training, model.norm.training, model.drop.training) == (True, True, False)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (np.random.get_state()[1] == states[1]).all()
    assert random.getstate() == states[2]
    assert hooks == (
        len(torch_module._global_forward_hooks),
        len(torch_module._global_forward_pre_hooks),
    )
    assert not any(module._forward_hooks for module in model.modules())
    assert torch.equal(model.norm.weight.grad, torch.ones(3))
    assert torch.equal(x, original)
    assert torch.is_grad_enabled()
    assert not torch.overrides._get_current_function_mode_stack()


def test_a_model_under_surgery_can_be_watched(x: Tensor) -> None:
    model = nn.Sequential(conv(), nn.BatchNorm2d(3), nn.ReLU(), conv(), nn.ReLU())
    nk.insert_(model, "batch", x)
    nk.fold_(model.eval(), x)
    assert [(what, takes) for what, _, takes in told(model, x)] == [
        ("FoldedConv2d", (INPUT,)),
        ("FoldedIdentity", (0,)),
        ("ReLU", (1,)),
        ("NormalisedConv2d", (2,)),
        ("ReLU", (3,)),
    ]


def test_an_inserted_norm_is_a_call_of_its_own(x: Tensor) -> None:
    model = nn.Sequential(conv(), nn.ReLU())
    nk.insert_(model, "batch", x)
    assert told(model, x) == [
        ("NormalisedConv2d", "0", (INPUT,)),
        ("BatchNorm2d", "0.norm", (0,)),
        ("ReLU", "1", (1,)),
    ]


def test_changes_in_place_are_seen_in_inference_mode_too(x: Tensor) -> None:
    model = Model(in_place_sum, conv=conv())
    with torch.inference_mode():
        seen = nk.flow(model, x * 1)
    assert [call.in_place for call in seen] == [False, True, True]
    assert seen.calls[1].takes == (0, INPUT)
