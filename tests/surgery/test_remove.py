"""Norms are taken out of a model."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD

import normkit as nk
from normkit.nn.catalogue import catalogue

Differences = Callable[[], list[str]]

NORMS = [name for name, m in catalogue().items() if m.on == "activations" and name != "none"]


def net(norm: Callable[[int], nn.Module] = nn.BatchNorm2d, bias: bool = False) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=bias), norm(8), nn.ReLU(inplace=True), nn.Conv2d(8, 4, 3)
    )


def images() -> Tensor:
    return torch.randn(5, 3, 8, 8)


def test_without_its_norm_a_model_computes_what_its_layers_do() -> None:
    model, x = net(bias=True), images()
    wanted = model[3](model[2](model[0](x)))
    surgery = nk.remove_(model, x)
    assert torch.equal(model(x), wanted)
    assert [(site.name, site.layer, site.done) for site in surgery.sites] == [
        ("1", "BatchNorm2d", "an identity")
    ]
    assert surgery.difference is not None
    assert surgery.difference > 0.01


def test_a_convolution_without_a_bias_gets_one_of_zeros() -> None:
    model = net()
    (site,) = nk.remove_(model, images())
    assert site.done == "an identity, and a bias for 0"
    assert torch.equal(model[0].bias, torch.zeros(8))
    assert model[0].bias.requires_grad
    assert list(model.state_dict()) == ["0.weight", "0.bias", "3.weight", "3.bias"]


def test_none_is_given_where_the_norm_had_no_beta() -> None:
    model = net(lambda channels: nk.nn.BatchNorm2d(channels, affine=False))
    (site,) = nk.remove_(model, images())
    assert site.done == "an identity"
    assert model[0].bias is None


def test_none_is_given_to_a_layer_that_others_read() -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            return self.norm(x) + x

    model = Branching()
    nk.remove_(model, images())
    assert model.conv.bias is None


@pytest.mark.parametrize("method", NORMS)
def test_every_norm_can_be_taken_out_and_leaves_nothing_behind(method: str) -> None:
    model = net(lambda channels: nk.make(method, channels))
    optimizer = SGD(model.parameters(), lr=0.1)
    x = images()
    wanted = model[3](model[2](model[0](x)))
    surgery = nk.remove_(model, x, optimizers=optimizer)
    assert len(surgery.done) == 1
    assert torch.equal(model(x), wanted)
    assert set(model.state_dict()) - {"0.bias"} == {"0.weight", "3.weight", "3.bias"}
    assert set(optimizer.param_groups[0]["params"]) == set(model.parameters())


@pytest.mark.parametrize("method", NORMS)
def test_every_removal_is_taken_back_exactly(
    method: str, remember: Callable[..., Differences]
) -> None:
    model = net(lambda channels: nk.make(method, channels))
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    x = images()
    model(x).backward(torch.randn(5, 4, 4, 4))
    optimizer.step()
    differences = remember(model, optimizer)
    surgery = nk.remove_(model, x, optimizers=optimizer)
    assert differences() != []
    surgery.undo()
    assert differences() == []


@pytest.mark.parametrize("act", ["tanh", nn.PReLU(8)], ids=["name", "module"])
def test_a_norms_own_activation_stays(act: object) -> None:
    model = net(lambda channels: nk.nn.GroupNorm(2, channels, act=act), bias=True)
    x = images()
    plain = torch.tanh(model[0](x)) if act == "tanh" else act(model[0](x))  # type: ignore[operator]
    nk.remove_(model, x)
    torch.testing.assert_close(model[1](model[0](x)), plain)
    assert any(name.startswith("1.act") for name in model.state_dict()) is (act != "tanh")


def test_hooks_stay() -> None:
    model, called = net(), list[int]()
    model[1].register_forward_hook(lambda *_: called.append(1))
    nk.remove_(model, images())
    called.clear()
    model(images())
    assert called == [1]


def test_a_new_bias_joins_the_group_of_its_layers_weight() -> None:
    model = net()
    optimizer = SGD(
        [
            {"params": [model[3].weight, model[3].bias]},
            {"params": [model[0].weight, *model[1].parameters()], "lr": 0.2},
        ],
        lr=0.1,
    )
    nk.remove_(model, images(), optimizers=optimizer)
    assert [group["params"] for group in optimizer.param_groups] == [
        [model[3].weight, model[3].bias],
        [model[0].weight, model[0].bias],
    ]


def test_a_parameter_that_another_norm_holds_too_stays_with_the_optimizer() -> None:
    model = nn.Sequential(nn.BatchNorm2d(3), nn.BatchNorm2d(3))
    model[1].weight = model[0].weight
    optimizer = SGD(model.parameters(), lr=0.1)
    nk.remove_(model, images(), where=lambda name, _: name == "0", optimizers=optimizer)
    assert set(optimizer.param_groups[0]["params"]) == set(model.parameters())


def test_a_bias_is_frozen_where_the_weight_is() -> None:
    model = net()
    model[0].weight.requires_grad_(False)
    nk.remove_(model, images())
    assert not model[0].bias.requires_grad


def test_only_the_chosen_ones_go() -> None:
    model = nn.Sequential(nn.BatchNorm2d(3), nn.BatchNorm2d(3))
    surgery = nk.remove_(model, images(), where=lambda name, _: name == "0")
    assert [site.name for site in surgery.sites] == ["0"]
    assert [type(layer) for layer in model] == [nk.nn.Identity, nn.BatchNorm2d]


def test_a_norm_with_a_forward_pass_of_its_own_stays_with_the_reason() -> None:
    class Loud(nn.BatchNorm2d):
        def forward(self, input: Tensor) -> Tensor:  # noqa: A002
            return super().forward(input).relu()

    model = net(Loud)
    (site,) = nk.remove_(model, images())
    assert site.refused == "Loud has a forward pass of its own"
    assert type(model[1]) is Loud


def test_after_insert_it_leaves_the_function_of_before() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
    model[0].bias.data.zero_()
    x = images()
    before = model(x)
    nk.insert_(model, "batch", x)
    nk.remove_(model, x)
    assert torch.equal(model(x), before)
    assert list(model.state_dict()) == ["0.weight", "0.bias"]
