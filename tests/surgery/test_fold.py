"""Norms folded into the layers beside them: same outputs, and an error where they would not be."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

import normkit as nk
from normkit.testing.problem import without_pytorchs_warnings

SIZE = {1: (7,), 2: (5, 4), 3: (3, 4, 2)}


def ready(model: nn.Module) -> nn.Module:
    """In evaluation, with γ, β and running statistics as they may be after training."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(getattr(module, "running_var", None), Tensor):
                module.running_mean.uniform_(-1, 1)
                module.running_var.uniform_(0.3, 3)
                if module.affine:
                    module.weight.uniform_(0.5, 1.5)
                    module.bias.uniform_(-1, 1)
    return model.double().eval()


def sample(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64) * 2 + 1


def check_folded(model: nn.Module, x: Tensor, *done: str | None) -> nk.Surgery:
    """Folds a model: the outputs and gradients of its input stay; undone, all is as before."""
    before, classes = copy.deepcopy(model), [type(module) for module in model.modules()]
    parameters = list(model.parameters())
    expected = gradients(before, x)
    nk.fold_(model, x).undo()
    assert [type(module) for module in model.modules()] == classes
    assert all(one is two for one, two in zip(model.parameters(), parameters, strict=True))
    assert list(model.state_dict()) == list(before.state_dict())
    torch.testing.assert_close(model.state_dict(), before.state_dict(), rtol=0, atol=0)
    torch.testing.assert_close(gradients(model, x), expected, rtol=0, atol=0)
    surgery = nk.fold_(model, x)
    torch.testing.assert_close(gradients(model, x), expected)
    assert tuple(site.done for site in surgery) == done
    for site in surgery:
        assert (site.refused is None) == (site.done is not None)
        assert site.done is None or (site.difference is not None and site.difference < 1e-12)
    return surgery


def gradients(model: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.clone().requires_grad_()
    y = model(x)
    upstream = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(y)
    return y.detach(), torch.autograd.grad(y, x, upstream)[0]


def layer_of(kind: str, dims: int, groups: int, bias: bool) -> nn.Module:
    make = getattr(nn, f"{kind}{dims}d")
    channels = 6 if groups == 6 else 4 if groups == 1 else 8
    layer: nn.Module = make(channels, 6, 2, groups=groups, bias=bias)
    return layer


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("kind", ["Conv", "ConvTranspose"])
def test_a_norm_goes_into_the_convolution_before_it(
    kind: str, dims: int, groups: int, bias: bool, affine: bool
) -> None:
    layer = layer_of(kind, dims, groups, bias)
    norm = getattr(nn, f"BatchNorm{dims}d")(6, affine=affine)
    model = ready(nn.Sequential(layer, norm, nn.Tanh()))
    check_folded(model, sample(2, layer.in_channels, *SIZE[dims]), "folded into 0, before it")
    assert list(model.state_dict()) == ["0.weight", "0.bias"]


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_a_norm_goes_into_the_convolution_after_it(
    dims: int, groups: int, bias: bool, affine: bool
) -> None:
    layer = layer_of("Conv", dims, groups, bias)
    norm = getattr(nn, f"BatchNorm{dims}d")(layer.in_channels, affine=affine)
    model = ready(nn.Sequential(nn.Tanh(), norm, layer))
    check_folded(model, sample(2, layer.in_channels, *SIZE[dims]), "folded into 2, after it")
    assert list(model.state_dict()) == ["2.weight", "2.bias"]


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_a_norm_goes_into_the_fully_connected_layer_beside_it(bias: bool, affine: bool) -> None:
    before = nn.Sequential(nn.Linear(3, 5, bias), nn.BatchNorm1d(5, affine=affine), nn.Tanh())
    check_folded(ready(before), sample(4, 3), "folded into 0, before it")
    after = nn.Sequential(nn.Tanh(), nn.BatchNorm1d(3, affine=affine), nn.Linear(3, 5, bias))
    check_folded(ready(after), sample(4, 3), "folded into 2, after it")


@pytest.mark.parametrize(
    "padding",
    [
        {"padding": 0},
        {"padding": "valid"},
        {"padding": "same", "kernel_size": 1},
        {"padding": 1, "padding_mode": "reflect"},
        {"padding": 1, "padding_mode": "circular"},
        {"padding": 1, "padding_mode": "replicate"},
    ],
    ids=str,
)
def test_padding_that_repeats_what_is_there_lets_a_norm_into_the_layer_after_it(
    padding: dict[str, Any],
) -> None:
    conv = nn.Conv2d(3, 6, **({"kernel_size": 3} | padding))
    model = ready(nn.Sequential(nn.Tanh(), nn.BatchNorm2d(3), conv))
    check_folded(model, sample(2, 3, 5, 4), "folded into 2, after it")


@pytest.mark.parametrize("padding", [1, (0, 1), "same"])
def test_padding_with_zeros_does_not(padding: Any) -> None:
    conv = nn.Conv2d(3, 6, 3, padding=padding)
    model = ready(nn.Sequential(nn.Tanh(), nn.BatchNorm2d(3), conv))
    surgery = check_folded(model, sample(2, 3, 5, 4), None)
    assert "pads with zeros" in (surgery.sites[0].refused or "")


def test_a_norm_without_a_shift_goes_past_zeros_and_into_a_transposed_convolution() -> None:
    for layer in (nn.Conv2d(4, 6, 3, padding=1), nn.ConvTranspose2d(4, 6, 3, groups=2)):
        model = ready(nn.Sequential(nn.Tanh(), nn.BatchNorm2d(4, affine=False), layer))
        model[1].running_mean.zero_()
        check_folded(model, sample(2, 4, 5, 4), "folded into 2, after it")


def test_a_norm_with_a_shift_does_not_go_into_a_transposed_convolution() -> None:
    model = ready(nn.Sequential(nn.Tanh(), nn.BatchNorm2d(4), nn.ConvTranspose2d(4, 6, 3)))
    surgery = check_folded(model, sample(2, 4, 5, 4), None)
    assert "spreads the norm's shift unevenly" in (surgery.sites[0].refused or "")


def test_norms_on_both_sides_of_a_convolution_go_into_it() -> None:
    model = ready(
        nn.Sequential(nn.Tanh(), nn.BatchNorm2d(3), nn.Conv2d(3, 6, 2), nn.BatchNorm2d(6))
    )
    check_folded(model, sample(2, 3, 5, 4), "folded into 2, after it", "folded into 2, before it")


def test_convolutions_beside_one_another_are_not_mixed_up() -> None:
    model = ready(
        nn.Sequential(nn.Conv2d(3, 4, 2), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 2), nn.BatchNorm2d(4))
    )
    check_folded(model, sample(2, 3, 5, 4), "folded into 0, before it", "folded into 2, before it")


def test_channels_last_weights_stay_channels_last() -> None:
    model = ready(nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6)))
    model.to(memory_format=torch.channels_last)
    x = sample(2, 3, 5, 4).contiguous(memory_format=torch.channels_last)
    check_folded(model, x, "folded into 0, before it")
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert model(x).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_precision_stays_and_only_rounding_differs(dtype: torch.dtype) -> None:
    model = ready(nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU())).to(dtype)
    x = sample(2, 3, 5, 4).to(dtype)
    expected, old = model(x).detach(), model[0].weight
    surgery = nk.fold_(model, x)
    assert {p.dtype for p in model.parameters()} == {dtype}
    assert model(x).dtype is dtype
    error = (model(x).detach() - expected).abs().max() / expected.abs().max()
    assert float(error) == pytest.approx(surgery.difference, rel=0.02)
    assert 0 < float(error) < 8 * torch.finfo(dtype).eps
    surgery.undo()
    assert model[0].weight is old
    torch.testing.assert_close(model(x), expected, rtol=0, atol=0)


FIXED: dict[str, Callable[[], nn.Module]] = {
    "BatchNorm2d": lambda: nn.BatchNorm2d(6),
    "SyncBatchNorm": lambda: nn.SyncBatchNorm(6),
    "InstanceNorm2d": lambda: nn.InstanceNorm2d(6, affine=True, track_running_stats=True),
    "nk BatchNorm2d": lambda: nk.nn.BatchNorm2d(6),
    "nk BatchNorm2d, act": lambda: nk.nn.BatchNorm2d(6, act="tanh"),
    "nk BatchNorm2d, module": lambda: nk.nn.BatchNorm2d(6, act=nn.PReLU()),
    "nk SyncBatchNorm": lambda: nk.nn.SyncBatchNorm(6),
}


@pytest.mark.parametrize("make", FIXED.values(), ids=FIXED)
def test_every_norm_with_fixed_statistics_is_folded(make: Callable[[], nn.Module]) -> None:
    model = ready(nn.Sequential(nn.Conv2d(3, 6, 3), make(), nn.Sigmoid()))
    check_folded(model, sample(2, 3, 5, 4), "folded into 0, before it")


def test_an_activation_of_a_norm_keeps_it_out_of_the_layer_after_it() -> None:
    model = ready(nn.Sequential(nn.Tanh(), nk.nn.BatchNorm2d(3, act="relu"), nn.Conv2d(3, 6, 1)))
    surgery = check_folded(model, sample(2, 3, 5, 4), None)
    assert "its own activation is between" in (surgery.sites[0].refused or "")


class Doubled(nn.BatchNorm2d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * 2


class Standardised(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return self._conv_forward(x, weight, self.bias)


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "statistics of the input": (lambda: nn.GroupNorm(2, 6), "takes its statistics from"),
    "no statistics": (lambda: nn.BatchNorm2d(6, track_running_stats=False), "takes its statistics"),
    "of its own": (lambda: Doubled(6), "Doubled has a forward pass of its own"),
    "in training": (lambda: nn.BatchNorm2d(6).train(), "it is in training mode"),
}


@pytest.mark.parametrize(("make", "reason"), REFUSED.values(), ids=REFUSED)
def test_other_norms_are_left_with_the_reason(make: Callable[[], nn.Module], reason: str) -> None:
    model = ready(nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6)))
    model[1] = make().double().train(make().training and reason == "it is in training mode")
    x = sample(2, 3, 5, 4)
    surgery = nk.fold_(model, x)
    assert surgery.sites[0].done is None
    assert reason in (surgery.sites[0].refused or "")
    assert type(model[0]) is nn.Conv2d


LAYERS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "a forward of its own": (lambda: Standardised(3, 6, 3), "has a forward pass of its own"),
    "weight_norm": (lambda: parametrizations.weight_norm(nn.Conv2d(3, 6, 3)), "parametrization"),
    "spectral_norm": (
        lambda: parametrizations.spectral_norm(nn.Conv2d(3, 6, 3)),
        "parametrization",
    ),
    "nk weight_norm": (lambda: nk.nn.weight_norm(nn.Conv2d(3, 6, 3)), "parametrization"),
    "an activation between": (
        lambda: nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU()),
        "ReLU is before it",
    ),
    "dropout before": (lambda: nn.Sequential(nn.Dropout(0.0), nn.AvgPool2d(2), nn.Flatten(0, 1),
        nn.Unflatten(0, (2, 3))), "is before it"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "reason"), LAYERS.values(), ids=LAYERS)
def test_other_layers_are_left_with_the_reason(make: Callable[[], nn.Module], reason: str) -> None:
    layer = make().double().eval()
    x = sample(2, 3, 5, 4)
    model = ready(nn.Sequential(layer, nn.BatchNorm2d(layer(x).shape[1])))
    before = model(x)
    surgery = nk.fold_(model, x)
    assert surgery.sites[0].done is None
    assert reason in (surgery.sites[0].refused or "")
    torch.testing.assert_close(model(x), before, rtol=0, atol=0)


class Block(nn.Module):
    """Some layers, and a function that calls them."""

    def __init__(self, forward: Callable[[Any, Tensor], Tensor], **layers: nn.Module) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.way = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.way(self, x)


def test_a_pair_that_is_called_twice_is_folded() -> None:
    def way(self: Any, x: Tensor) -> Tensor:
        return self.norm(self.conv(torch.tanh(self.norm(self.conv(x)))))

    model = ready(Block(way, conv=nn.Conv2d(3, 3, 2), norm=nn.BatchNorm2d(3)))
    check_folded(model, sample(2, 3, 5, 4), "folded into conv, before it")


def test_a_norm_after_two_convolutions_goes_into_both() -> None:
    def way(self: Any, x: Tensor) -> Tensor:
        return torch.tanh(self.norm(self.one(x))) + self.norm(self.other(x))

    model = ready(
        Block(way, one=nn.Conv2d(3, 4, 1), other=nn.Conv2d(3, 4, 1), norm=nn.BatchNorm2d(4))
    )
    check_folded(model, sample(2, 3, 5, 4), "folded into one, other, before it")


def test_a_shared_weight_goes_on_in_the_other_layer() -> None:
    def way(self: Any, x: Tensor) -> Tensor:
        return self.other(torch.tanh(self.norm(self.one(x))))

    model = Block(way, one=nn.Conv2d(3, 3, 1), other=nn.Conv2d(3, 3, 1), norm=nn.BatchNorm2d(3))
    model.other.weight = model.one.weight
    ready(model)
    shared = model.one.weight
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    nk.fold_(model, sample(2, 3, 5, 4), optimizers=optimizer).undo()
    assert model.one.weight is model.other.weight is shared
    surgery = nk.fold_(model, sample(2, 3, 5, 4), optimizers=optimizer)
    assert model.other.weight is shared
    held = optimizer.param_groups[0]["params"]
    assert {id(p) for p in held} == {id(p) for p in model.parameters()}
    surgery.undo()
    check_folded(model, sample(2, 3, 5, 4), "folded into one, before it")


def test_two_layers_with_one_weight_and_norms_of_their_own_are_folded() -> None:
    def way(self: Any, x: Tensor) -> Tensor:
        return self.second(self.other(torch.tanh(self.first(self.one(x)))))

    model = Block(
        way,
        one=nn.Conv2d(3, 3, 1),
        other=nn.Conv2d(3, 3, 1),
        first=nn.BatchNorm2d(3),
        second=nn.BatchNorm2d(3),
    )
    model.other.weight = model.one.weight
    check_folded(
        ready(model),
        sample(2, 3, 5, 4),
        "folded into one, before it",
        "folded into other, before it",
    )


WAYS: dict[str, tuple[Callable[[Any, Tensor], Tensor], str]] = {
    "the convolution reused": (
        lambda self, x: self.conv(torch.tanh(self.norm(self.conv(x)))),
        "conv is called without it, too",
    ),
    "the norm reused": (
        lambda self, x: self.norm(torch.tanh(self.norm(self.conv(x)))),
        "before it",
    ),
    "read by others": (
        lambda self, x: (y := self.conv(x)) + self.norm(y),
        "is read by others too",
    ),
    "reshaped": (
        lambda self, x: self.norm(self.conv(x).reshape(2, 3, -1, 2, 2)[:, :, 0]),
        "getitem is before it",
    ),
    "reshaped, with the last axis as it was": (
        lambda self, x: self.norm(self.conv(x).reshape(-1, 3, 1, 4)),
        "what is between the two is reshaped",
    ),
    "a function between": (
        lambda self, x: self.norm(torch.relu(self.conv(x))),
        "relu is before it",
    ),
    "the model's input": (lambda self, x: self.norm(x) * self.conv(x), "no layer is before it"),
    "changed in place": (
        lambda self, x: self.norm(self.conv(x).mul_(2)),
        "mul_ is before it",
    ),
    "in part": (
        lambda self, x: self.norm(torch.cat([self.conv(x)[:1], x[:, :3]])),
        "cat is before it",
    ),
    "the model's output": (
        lambda self, x: [y := self.conv(x), self.norm(y)],
        "is read by others too",
    ),
    "called as a method": (
        lambda self, x: self.norm(self.conv(x)) + self.conv.forward(x),
        "",
    ),
}


@pytest.mark.parametrize(("way", "reason"), list(WAYS.values())[:-1], ids=list(WAYS)[:-1])
def test_other_flows_are_left_with_the_reason(
    way: Callable[[Any, Tensor], Tensor], reason: str
) -> None:
    model = ready(Block(way, conv=nn.Conv2d(3, 3, 1), norm=nn.BatchNorm2d(3)))
    x = sample(2, 3, 5, 4)
    before = model(x)
    surgery = nk.fold_(model, x)
    assert surgery.sites[0].done is None
    assert reason in (surgery.sites[0].refused or "")
    torch.testing.assert_close(model(x), before, rtol=0, atol=0)
    assert type(model.conv) is nn.Conv2d


def test_a_call_that_cannot_be_watched_raises_and_changes_nothing() -> None:
    model = ready(Block(WAYS["called as a method"][0], conv=nn.Conv2d(3, 3, 1),
                        norm=nn.BatchNorm2d(3)))  # fmt: skip
    x = sample(2, 3, 5, 4)
    before, state = model(x), copy.deepcopy(model.state_dict())
    with pytest.raises(RuntimeError, match="something else reads what is between them"):
        nk.fold_(model, x)
    torch.testing.assert_close(model.state_dict(), state, rtol=0, atol=0)
    torch.testing.assert_close(model(x), before, rtol=0, atol=0)


def test_a_weight_that_is_read_elsewhere_raises_and_changes_nothing() -> None:
    def way(self: Any, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)) + F.conv2d(x, self.conv.weight)

    model = ready(Block(way, conv=nn.Conv2d(3, 3, 1), norm=nn.BatchNorm2d(3)))
    x = sample(2, 3, 5, 4)
    before = model(x)
    with pytest.raises(ValueError, match=r"fold_ leaves what a model computes .* nothing was"):
        nk.fold_(model, x)
    torch.testing.assert_close(model(x), before, rtol=0, atol=0)
    assert type(model.norm) is nn.BatchNorm2d


HANDED_ON: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "dropout": lambda self, x: self.norm(F.dropout(self.conv(x), training=self.training)),
    "a module": lambda self, x: self.norm(self.drop(self.identity(self.conv(x)))),
    "contiguous": lambda self, x: self.norm(self.conv(x).contiguous()),
    "a conversion": lambda self, x: self.norm(self.conv(x).double().to(x.device).type_as(x)),
    "its shape": lambda self, x: self.norm(y := self.conv(x)) / y.shape[0] / y.size(1),
}


@pytest.mark.parametrize("way", HANDED_ON.values(), ids=HANDED_ON)
def test_what_hands_on_what_it_is_given_may_be_between(
    way: Callable[[Any, Tensor], Tensor],
) -> None:
    model = Block(
        way,
        conv=nn.Conv2d(3, 3, 1),
        norm=nn.BatchNorm2d(3),
        drop=nn.Dropout2d(),
        identity=nn.Identity(),
    )
    check_folded(ready(model), sample(2, 3, 5, 4), "folded into conv, before it")


def test_maps_may_be_reshaped_and_back() -> None:
    def way(self: Any, x: Tensor) -> Tensor:
        rows = self.conv(x).flatten(0, 1)
        return self.norm(rows.view(2, 3, 5, -1) if self.right else rows.view(1, 6, 5, -1))

    model = Block(way, conv=nn.Conv2d(3, 3, 1), norm=nn.BatchNorm2d(3))
    model.right = True
    check_folded(ready(model), x := sample(2, 3, 5, 4), "folded into conv, before it")
    model.right = False
    with pytest.raises(RuntimeError, match="what is between them is reshaped"):
        model(x)


def in_rows(self: Any, x: Tensor) -> Tensor:
    y = self.linear(x)
    return torch.tanh(self.norm(y.reshape(-1, y.shape[-1]))).view(y.shape)


def flattened(self: Any, x: Tensor) -> Tensor:
    y = self.linear(x)
    return self.norm(y.flatten(0, 1)).reshape_as(y)


def from_rows(self: Any, x: Tensor) -> Tensor:
    x = torch.tanh(x)
    return self.linear(self.norm(x.flatten(0, 1)).view(4, 7, 3))


@pytest.mark.parametrize(("way", "done"), [
    (in_rows, "before"), (flattened, "before"), (from_rows, "after")
])  # fmt: skip
def test_a_fully_connected_layer_is_folded_around_reshaping(
    way: Callable[[Any, Tensor], Tensor], done: str
) -> None:
    norm = nn.BatchNorm1d(5 if done == "before" else 3)
    model = ready(Block(way, linear=nn.Linear(3, 5), norm=norm))
    check_folded(model, sample(4, 7, 3), f"folded into linear, {done} it")


def test_training_mode_is_refused() -> None:
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6))
    with pytest.raises(ValueError, match=r"training mode\. Call model\.eval\(\) first"):
        nk.fold_(model, torch.randn(2, 3, 5, 4))
    assert type(model[1]) is nn.BatchNorm2d


@pytest.mark.parametrize("part", [None, 0, 1])
def test_training_a_folded_model_raises(part: int | None) -> None:
    model = ready(nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6)))
    x = sample(2, 3, 5, 4)
    surgery = nk.fold_(model, x)
    (model if part is None else model[part]).train()
    with pytest.raises(RuntimeError, match="this model was folded, which is for evaluation"):
        model(x)
    surgery.undo()
    model(x)


class Departing(nn.Module):
    """A pair, and what may be done otherwise than when it was watched."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.last, self.aux = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 2, 1)
        self.departs = ""

    def forward(self, x: Tensor) -> Tensor:
        if self.departs == "another input":
            return self.norm(x)
        y = self.conv(x)
        if self.departs == "an auxiliary head":
            return self.aux(y).mean() + torch.tanh(self.norm(y))
        if self.departs == "a norm left out":
            return torch.tanh(y)
        if self.departs == "a norm left out before a layer":
            return self.last(y)
        if self.departs == "something between":
            return self.norm(torch.relu(y))
        if self.departs == "changed in place":
            y += 1
        return torch.tanh(self.norm(y))


DEPARTURES = [
    "another input",
    "an auxiliary head",
    "a norm left out",
    "a norm left out before a layer",
    "something between",
    "changed in place",
]


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # The compiler asks for it.
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("departs", DEPARTURES)
def test_a_later_pass_that_departs_raises(departs: str, compiled: bool) -> None:
    torch._dynamo.reset()
    model, x = ready(Departing()), sample(2, 3, 5, 4)
    before = copy.deepcopy(model)
    surgery = nk.fold_(model, x)
    assert surgery.sites[0].done == "folded into conv, before it"
    called: Any = torch.compile(model, backend="eager") if compiled else model
    with without_pytorchs_warnings():
        torch.testing.assert_close(called(x), before(x))
        model.departs = before.departs = departs
        # The error is what a tool that does not look would silently give.
        with pytest.raises(Exception, match=r"was folded into|were folded into"):
            called(x)
        model.departs = ""
        torch.testing.assert_close(called(x), copy.deepcopy(model)(x))
    surgery.undo()
    model.departs = departs
    torch.testing.assert_close(model(x), before(x), rtol=0, atol=0)


def test_a_departure_after_a_norm_that_went_into_the_layer_after_it_raises() -> None:
    def way(self: Any, x: Tensor) -> Tensor:
        y = self.norm(torch.tanh(x))
        return y if self.early else self.conv(y)

    model = Block(way, norm=nn.BatchNorm2d(3), conv=nn.Conv2d(3, 3, 2))
    model.early = False
    x = sample(2, 3, 5, 4)
    nk.fold_(ready(model), x)
    model.early = True
    with pytest.raises(RuntimeError, match="something else reads what is between them"):
        model(x) * 2


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # The compiler asks for it.
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_a_graph_may_end_between_the_two(backend: str) -> None:
    def way(self: Any, x: Tensor) -> Tensor:
        y = self.conv(x)
        torch._dynamo.graph_break()
        return torch.tanh(self.norm(y))

    torch._dynamo.reset()
    model = ready(Block(way, conv=nn.Conv2d(3, 3, 1), norm=nn.BatchNorm2d(3)))
    x = sample(2, 3, 5, 4)
    expected = model(x)
    nk.fold_(model, x)
    with without_pytorchs_warnings():
        torch.testing.assert_close(torch.compile(model, backend=backend)(x), expected)


def test_it_compiles_as_one_graph() -> None:
    torch._dynamo.reset()
    model, x = ready(nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6))), sample(2, 3, 5, 4)
    expected = model(x)
    nk.fold_(model, x)
    with without_pytorchs_warnings():
        compiled = torch.compile(model, fullgraph=True, backend="eager")
        torch.testing.assert_close(compiled(x), expected)


@pytest.mark.parametrize("strict", [True, False])
def test_it_is_exported(strict: bool) -> None:
    model, x = ready(nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6))), sample(2, 3, 5, 4)
    expected = model(x)
    nk.fold_(model, x)
    with without_pytorchs_warnings():
        exported = torch.export.export(model, (x,), strict=strict)
    torch.testing.assert_close(exported.module()(x), expected)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_folded_model_can_be_copied_and_pickled(
    again: Callable[[nn.Module], nn.Module],
) -> None:
    model, x = ready(nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6))), sample(2, 3, 5, 4)
    expected = model(x)
    nk.fold_(model, x)
    other = again(model)
    torch.testing.assert_close(other(x), expected)
    with pytest.raises(RuntimeError, match="folded"):
        other[0](x) * 2


def test_it_works_without_gradients_under_autocast_and_under_transforms() -> None:
    model = ready(nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU()))
    x = sample(2, 3, 5, 4)
    expected = model(x).detach()
    nk.fold_(model, x)
    with torch.inference_mode():
        torch.testing.assert_close(model(x), expected)
    torch.testing.assert_close(torch.func.vmap(lambda y: model(y[None])[0])(x), expected)
    tangent = torch.randn_like(x)
    with without_pytorchs_warnings():
        _, moved = torch.func.jvp(model, (x,), (tangent,))
    difference = (model(x + 1e-6 * tangent) - model(x - 1e-6 * tangent)) / 2e-6
    torch.testing.assert_close(moved, difference, rtol=1e-4, atol=1e-4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = model.float()(x.float())
    torch.testing.assert_close(y.double(), expected, rtol=0.05, atol=0.05)


def test_optimizers_hold_what_the_model_holds() -> None:
    model = ready(nn.Sequential(nn.Conv2d(3, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(),
                                nn.Conv2d(6, 2, 1)))  # fmt: skip
    x = sample(2, 3, 5, 4)
    groups = [{"params": list(model[0].parameters()), "lr": 0.1},
              {"params": [*model[1].parameters(), *model[3].parameters()]}]  # fmt: skip
    whole = torch.optim.SGD(groups, lr=0.01, momentum=0.9)
    part = torch.optim.Adam(model[3].parameters())
    model(x).square().sum().backward()
    whole.step()
    part.step()
    held = [list(group["params"]) for group in whole.param_groups]
    remembered = dict(whole.state)
    surgery = nk.fold_(model, x, optimizers=[whole, part])
    first, second = (group["params"] for group in whole.param_groups)
    assert {id(p) for p in first} == {id(model[0].weight), id(model[0].bias)}
    assert {id(p) for p in second} == {id(p) for p in model[3].parameters()}
    assert set(whole.state) == set(model[3].parameters())
    assert part.param_groups[0]["params"] == list(model[3].parameters())
    surgery.undo()
    assert all(
        one is two
        for old, group in zip(held, whole.param_groups, strict=True)
        for one, two in zip(old, group["params"], strict=True)
    )
    assert set(whole.state) == set(remembered)


def test_where_chooses_norms() -> None:
    model = ready(
        nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))
    )
    surgery = nk.fold_(model, sample(2, 3, 5, 4), where=lambda name, layer: name == "3")
    assert [site.name for site in surgery] == ["3"]
    assert type(model[1]) is nn.BatchNorm2d


def test_a_frozen_weight_stays_frozen() -> None:
    model = ready(nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4)))
    model[0].weight.requires_grad_(False)
    nk.fold_(model, sample(2, 3, 5, 4))
    assert [p.requires_grad for p in model.parameters()] == [False, False]


def test_hooks_that_see_what_is_between_keep_a_norm_where_it_is() -> None:
    x = sample(2, 3, 5, 4)
    for place in ("forward", "full_backward"):
        model = ready(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)))
        getattr(model[0], f"register_{place}_hook")(lambda *_: None)
        surgery = nk.fold_(model, x)
        assert surgery.sites[0].done is None
        assert "a hook reads what is between 0 and it" in (surgery.sites[0].refused or "")
    model = ready(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)))
    seen: list[Tensor] = []
    model[1].register_forward_hook(lambda _, __, y: seen.append(y))
    expected = model(x)
    nk.fold_(model, x)
    seen.clear()
    model(x)
    torch.testing.assert_close(seen, [expected])


def test_what_was_inserted_can_be_folded_away() -> None:
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 1), nn.ReLU())
    nk.insert_(model, "batch", torch.randn(2, 3, 5, 4))
    ready(model)
    check_folded(model, sample(2, 3, 5, 4), "folded into 0, before it", "folded into 2, before it")
    pickle.loads(pickle.dumps(model))(sample(2, 3, 5, 4))
    with pytest.raises(RuntimeError, match="which is for evaluation"):
        model.train()(sample(2, 3, 5, 4))


def test_a_fused_model_can_be_folded() -> None:
    model = ready(nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU()))
    x = sample(2, 3, 5, 4)
    expected = model(x)
    fusing = nk.fuse_(model, x)
    folding = nk.fold_(model, x)
    assert folding.sites[0].done == "folded into 0, before it"
    torch.testing.assert_close(model(x), expected)
    folding.undo()
    fusing.undo()
    torch.testing.assert_close(model(x), expected, rtol=0, atol=0)
    assert type(model[1]) is nn.BatchNorm2d


def test_a_folded_model_has_nothing_left_to_fold() -> None:
    model, x = ready(nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6))), sample(2, 3, 5, 4)
    expected = model(x)
    nk.fold_(model, x)
    assert nk.fold_(model, x).sites == ()
    torch.testing.assert_close(model(x), expected)


# What today's tools do, on the same models.


@pytest.mark.parametrize("groups", [2, 4])
def test_a_grouped_transposed_convolution_crashes_pytorchs_fusion_and_is_folded(
    groups: int,
) -> None:
    conv, norm = nn.ConvTranspose2d(4, 4, 3, groups=groups), nn.BatchNorm2d(4)
    model = ready(nn.Sequential(conv, norm))
    with pytest.raises(RuntimeError):
        fuse_conv_bn_eval(conv, norm, transpose=True)(sample(2, 4, 5, 4))
    check_folded(model, sample(2, 4, 5, 4), "folded into 0, before it")


@without_pytorchs_warnings()
def fused_by_fx(model: nn.Module) -> nn.Module:
    from torch.fx.experimental.optimization import fuse

    return fuse(copy.deepcopy(model))


def test_a_reused_convolution_is_corrupted_by_fx_and_left_alone_here() -> None:
    way = WAYS["the convolution reused"][0]
    model = ready(Block(way, conv=nn.Conv2d(3, 3, 1), norm=nn.BatchNorm2d(3)))
    x = sample(2, 3, 5, 4)
    assert (fused_by_fx(model)(x) - model(x)).abs().max() > 0.3
    check_folded(model, x, None)


def test_a_linear_layer_on_three_axes_is_corrupted_by_fx_and_left_alone_here() -> None:
    model = ready(nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5)))
    x = sample(4, 5, 3)
    assert (fused_by_fx(model)(x) - model(x)).abs().max() > 0.3
    surgery = check_folded(model, x, None)
    assert "its channels are on axis 1" in (surgery.sites[0].refused or "")


def test_a_linear_layer_without_affine_crashes_pytorchs_fusion_and_is_folded() -> None:
    model = ready(nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5, affine=False)))
    with pytest.raises(TypeError):
        fuse_linear_bn_eval(model[0], model[1])
    check_folded(model, sample(4, 3), "folded into 0, before it")


def test_layers_are_paired_by_dataflow_not_by_their_order_as_children() -> None:
    def way(self: Any, x: Tensor) -> Tensor:
        return self.norm(self.second(torch.tanh(self.first(x))))

    layers = {"second": nn.Conv2d(3, 3, 1), "first": nn.Conv2d(3, 3, 1)}
    model = ready(Block(way, **layers, norm=nn.BatchNorm2d(3)))
    x = sample(2, 3, 5, 4)
    # As mmcv does: the last convolution among the children takes the next norm.
    by_order = copy.deepcopy(model)
    by_order.first = fuse_conv_bn_eval(by_order.first, by_order.norm)
    by_order.norm = nn.Identity()
    assert (by_order(x) - model(x)).abs().max() > 0.3
    check_folded(model, x, "folded into second, before it")


def test_layers_that_are_copied_one_by_one_still_belong_together() -> None:
    model, x = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).eval(), torch.randn(2, 3, 4, 4)
    nk.fold_(model, x)
    copied = nn.Sequential(*(copy.deepcopy(layer) for layer in model))
    assert torch.equal(copied(x), model(x))


def test_outputs_are_found_in_objects_of_any_depth() -> None:
    @dataclass(slots=True)
    class Found:
        inner: Any

    class Telling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)

        def forward(self, x: Tensor) -> Found:
            y = self.conv(x)
            return Found([Found(y), self.norm(y)])

    (site,) = nk.fold_(Telling().eval(), torch.randn(2, 3, 4, 4))
    assert site.done is None


def test_a_model_that_returns_no_tensor_is_refused() -> None:
    class Naming(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))

        def forward(self, x: Tensor) -> str:
            return str(float(self.layers(x).sum()))

    with pytest.raises(ValueError, match="finds no tensor in it: a str"):
        nk.fold_(Naming().eval(), torch.randn(2, 3, 4, 4))
