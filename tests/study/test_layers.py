"""The layers of any network are found in the order in which they are called."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import normkit as nk
from normkit import models
from normkit.models import MicroBatched
from normkit.nn.catalogue import catalogue, make
from normkit.probes.standardise import standardisation
from normkit.study.layers import axes, classifier, layers, norms

IMAGES = torch.randn(4, 1, 8, 8)


def net(**changes: nn.Module) -> nn.Sequential:
    """Three convolutions and a classifier, by name."""
    parts: dict[str, nn.Module] = {
        "first": nn.Conv2d(1, 4, 3, padding=1),
        "first_norm": nn.BatchNorm2d(4),
        "act": nn.ReLU(inplace=True),
        "second": nn.Conv2d(4, 4, 3, padding=1),
        "act_2": nn.ReLU(inplace=True),
        "second_norm": nk.make("group", 4),
        "third": nn.ConvTranspose2d(4, 4, 3),
        "pool": nn.AdaptiveAvgPool2d(1),
        "flat": nn.Flatten(),
        "classifier": nn.Linear(4, 3),
    }
    network = nn.Sequential()
    for name, module in {**parts, **changes}.items():
        network.add_module(name, module)
    return network


@pytest.mark.parametrize("name", models.MODELS)
def test_normkits_own_models_have_their_blocks(name: str) -> None:
    model = models.build(name, num_classes=3, in_channels=1, image_size=(8, 8), norm="batch")
    found = layers(model, IMAGES)
    assert [layer.output for layer in found] == model.blocks
    assert [(layer.linear, layer.norm) for layer in found] == [
        (block.linear, block.norm) for block in model.blocks
    ]
    assert norms(model, IMAGES) == [block.norm for block in model.blocks]


def test_each_layer_has_the_norm_that_came_after_it_and_the_classifier_is_none() -> None:
    model = net()
    first, second, third = layers(model, IMAGES)
    assert (first.linear, first.norm, first.output) == (model[0], model[1], model[1])
    assert (second.linear, second.norm, second.output) == (model[3], model[5], model[5])
    assert (third.linear, third.norm, third.output) == (model[6], None, model[6])
    assert norms(model, IMAGES) == [model[1], model[5]]


def test_outputs_are_taken_at_the_same_place_without_norms() -> None:
    def after_the_activation(norm: str) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), make(norm, 4), nn.Flatten(),
                             nn.Linear(144, 2))  # fmt: skip

    for norm in ("batch", "none"):
        model = after_the_activation(norm)
        assert [layer.output for layer in layers(model, IMAGES)] == [model[2]]
        assert norms(model, IMAGES) == ([model[2]] if norm == "batch" else [])
        assert norms(model, IMAGES, stand_ins=True) == [model[2]]


def test_the_classifier_is_the_last_layer() -> None:
    assert classifier(network := net(), IMAGES) is network[-1]
    built = models.build("plain", in_channels=1, num_classes=3, image_size=(8, 8), norm="batch")
    assert classifier(built, IMAGES) is built.classifier
    with pytest.raises(ValueError, match="needs a convolution or linear layer"):
        classifier(nn.Flatten(), IMAGES)


def test_the_order_is_that_of_the_calls() -> None:
    class Backwards(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last, self.middle, self.first = (nn.Linear(4, 4) for _ in range(3))
            self.inner = nn.Linear(64, 4)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.last(self.middle(self.first(self.inner(x.flatten(1)))))
            return y

    model = Backwards()
    found = [layer.linear for layer in layers(model, IMAGES)]
    assert found == [model.inner, model.first, model.middle]


def test_a_layer_that_is_called_twice_counts_once() -> None:
    shared = nn.Conv2d(4, 4, 3, padding=1)
    model = net(second=shared, second_norm=shared)
    assert [layer.linear for layer in layers(model, IMAGES)] == [model[0], shared, model[6]]


def test_a_norm_before_any_layer_is_found_but_goes_with_none() -> None:
    model = nn.Sequential(nn.InstanceNorm2d(1), nn.Flatten(), nn.Linear(64, 4), nn.Linear(4, 3))
    assert [layer.norm for layer in layers(model, IMAGES)] == [None]
    assert norms(model, IMAGES) == [model[0]]


def test_frozen_layers_and_those_that_feed_nothing_are_left_out() -> None:
    class Idle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.idle = net(), nn.Linear(64, 2)
            self.net[0].requires_grad_(False)
            self.net[1].requires_grad_(False)

        def forward(self, x: Tensor) -> Tensor:
            self.idle(x.flatten(1))
            y: Tensor = self.net(x)
            return y

    model = Idle()
    assert [layer.linear for layer in layers(model, IMAGES)] == [model.net[3], model.net[6]]
    assert norms(model, IMAGES) == [model.net[1], model.net[5]]


def test_a_batch_is_followed_through_norms_that_are_called_once_and_count() -> None:
    class Several(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Conv2d(1, 4, 3, padding=1)
            self.once, self.twice, self.aside = (nn.BatchNorm2d(4) for _ in range(3))
            self.last = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.once(self.linear(x))
            self.aside(x)
            return self.last(self.twice(self.twice(x)).mean((2, 3)))

    model = Several()
    assert norms(model, IMAGES) == [model.once, model.aside, model.twice]
    assert norms(model, IMAGES, followed=True) == [model.once]


def test_a_network_without_hidden_layers_has_none() -> None:
    assert layers(nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), IMAGES) == []


def test_norms_of_micro_batches_count_as_one() -> None:
    for name in ("batch", "group"):
        norm = MicroBatched(name, 4, size=2)
        assert norms(net(first_norm=norm), IMAGES)[0] is norm


def test_watching_leaves_the_network_as_it_was() -> None:
    model = net(drop=nn.Dropout(0.5))
    model[1].eval()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    before = torch.get_rng_state()
    layers(model, IMAGES)
    assert torch.equal(torch.get_rng_state(), before)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_hooks_are_gone_where_the_network_raises() -> None:
    model = net()
    with pytest.raises(RuntimeError):
        layers(model, torch.randn(4, 2, 8, 8))
    assert not any(module._forward_hooks for module in model.modules())


DIVIDE_ALONE = {"rms", "group_rms"}
"""The methods that do not centre the sets of values that they divide."""


class OverChannels(nn.LayerNorm):
    """As ConvNeXt has it."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class InFloat32(nn.LayerNorm):
    """As CLIP has it."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.float()).type_as(x)


@pytest.mark.parametrize(
    ("norm", "shape"),
    [
        *(
            (make(name, 4), (64, 4, 5, 5))
            for name, method in sorted(catalogue().items())
            if method.standardises is not None and name not in DIVIDE_ALONE
        ),
        (nn.BatchNorm1d(4), (8, 4)),
        (nn.BatchNorm2d(4), (8, 4, 5, 5)),
        (nn.InstanceNorm2d(4), (8, 4, 5, 5)),
        (nn.GroupNorm(2, 4), (8, 4, 5, 5)),
        (nn.LayerNorm(16), (8, 16)),
        (nn.LayerNorm(16), (8, 3, 16)),
        (nn.LayerNorm((5, 5)), (8, 4, 5, 5)),
        (OverChannels(4), (8, 4, 5, 5)),
        (InFloat32(16), (8, 3, 16)),
        (nk.nn.LayerNorm((4, 5, 5)), (8, 4, 5, 5)),
        (MicroBatched("group", 4, size=2), (8, 4, 5, 5)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else str(len(value)),
)
def test_every_norm_standardises_over_the_axes_of_its_type(
    norm: nn.Module, shape: tuple[int, ...]
) -> None:
    values = 100 * torch.randn(*shape, generator=torch.Generator().manual_seed(0)) + 50
    found = standardisation(norm, norm, values, *axes(norm))
    assert found.means.abs().max() < 1e-4
    assert (found.variances - 1).abs().max() < 1e-3
