"""Norms are put between convolutions and their activations."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer

import normkit as nk
from normkit.nn.catalogue import catalogue
from normkit.surgery.inserted import Normalised

Differences = Callable[[], list[str]]

ON_ACTIVATIONS = [name for name, method in catalogue().items() if method.on == "activations"]
OVER_BATCH = ("batch", "sync_batch", "ghost_batch", "batch_renorm", "frozen_batch")


def net() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 8, 3, stride=2),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(8 * 3 * 3, 5),
    )


def images(count: int = 6) -> Tensor:
    return torch.randn(count, 3, 9, 9) * 2 + 0.5


def done(surgery: nk.Surgery) -> list[str]:
    return [site.name for site in surgery.done]


def reasons(surgery: nk.Surgery) -> dict[str, str | None]:
    return {site.name: site.refused for site in surgery.sites if site.done is None}


# Which sites.


class Residual(nn.Module):
    """A block whose second convolution is added to the input before the activation."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.first = nn.Conv2d(8, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.head = nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.second(F.relu(self.first(x)))
        y += x
        return self.head(F.relu(y))


def test_convolutions_ahead_of_activations_are_the_sites_in_residual_nets_too() -> None:
    surgery = nk.insert_(Residual(), "batch", images())
    assert done(surgery) == ["stem", "first", "second"]
    assert reasons(surgery) == {"head": "what it computes comes to no activation"}


class Gated(nn.Module):
    """Squeeze and excitation, with convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.squeeze = nn.Conv2d(8, 4, 1)
        self.excite = nn.Conv2d(4, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv(x))
        pooled = x.mean((2, 3), keepdim=True)
        return x * torch.sigmoid(self.excite(torch.relu(self.squeeze(pooled))))


def test_gates_are_left_alone_unless_they_are_chosen() -> None:
    surgery = nk.insert_(Gated(), "batch", images())
    assert done(surgery) == ["conv"]
    assert {"squeeze", "excite"} == set(reasons(surgery))
    assert "of one position" in str(reasons(surgery)["squeeze"])
    chosen = nk.insert_(Gated(), "batch", images(), where=lambda name, _: name == "squeeze")
    assert done(chosen) == ["squeeze"]


class Reused(nn.Module):
    """A convolution that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.again = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        return torch.relu(self.again(torch.relu(self.again(x)) * 3))


def test_a_convolution_that_is_called_twice_is_left_alone_with_the_reason() -> None:
    surgery = nk.insert_(Reused(), "batch", images())
    assert done(surgery) == ["stem"]
    assert reasons(surgery) == {
        "again": "it is called 2 times, and the calls would share a norm's statistics"
    }


def test_a_chosen_convolution_that_is_called_twice_is_normalised_both_times() -> None:
    model = Reused()
    x = images(32)
    before = model.eval()(x)
    nk.insert_(model, "batch", x, where=lambda name, _: True, data=x.split(12))
    torch.testing.assert_close(model(x), before, rtol=1e-5, atol=1e-5)
    model.train()(x)
    assert model.again.norm.num_batches_tracked == 2 * model.stem.norm.num_batches_tracked


def test_a_convolution_with_a_norm_already_gets_no_second_one() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
    assert reasons(nk.insert_(model, "batch", images())) == {"0": "a norm follows it"}
    chosen = nk.insert_(model, "batch", images(), where=lambda *_: True)
    assert reasons(chosen) == {"0": "a norm follows it"}


def test_a_norm_behind_a_pooling_counts_as_one_that_is_there() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.MaxPool2d(2), nn.BatchNorm2d(8), nn.ReLU())
    (reason,) = reasons(nk.insert_(model, "batch", images())).values()
    assert reason == "2: BatchNorm2d follows it"


def test_a_second_surgery_finds_the_first_ones_norms() -> None:
    model = net()
    nk.insert_(model, "batch", images())
    again = nk.insert_(model, "group", images())
    assert reasons(again) == {"0": "it has one already", "2": "it has one already"}


def test_an_attribute_of_the_same_name_is_not_overwritten() -> None:
    model = net()
    model[0].norm = "mine"
    assert reasons(nk.insert_(model, "batch", images()))["0"] == (
        "it has an attribute named 'norm' already"
    )
    assert model[0].norm == "mine"


def test_linear_layers_are_normalised_where_they_are_chosen() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(392, 6), nn.ReLU())
    surgery = nk.insert_(
        model, "batch", images(), where=lambda _, layer: isinstance(layer, nn.Linear)
    )
    assert done(surgery) == ["3"]
    assert type(model[3].norm) is nk.nn.BatchNorm1d


def test_in_a_model_without_convolutions_linear_layers_are_the_sites() -> None:
    model = nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 2))
    surgery = nk.insert_(model, "batch", torch.randn(5, 3))
    assert done(surgery) == ["0"]
    assert reasons(surgery) == {"2": "what it computes comes to no activation"}


def test_a_linear_layer_whose_channels_are_last_is_refused() -> None:
    model = nn.Sequential(nn.Linear(3, 6), nn.ReLU())
    surgery = nk.insert_(model, "batch", torch.randn(4, 5, 3), where=lambda *_: True)
    assert "on the last axis" in str(reasons(surgery)["0"])


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("kind", ["Conv", "ConvTranspose"])
def test_it_works_on_every_number_of_dims_transposed_too(kind: str, dims: int) -> None:
    conv = getattr(nn, f"{kind}{dims}d")(2, 4, 3)
    model = nn.Sequential(conv, nn.ReLU()).eval()
    x = torch.randn(5, 2, *[6] * dims)
    before = model(x)
    nk.insert_(model, "batch", x, data=[x])
    assert type(model[0].norm) is getattr(nk.nn, f"BatchNorm{dims}d")
    torch.testing.assert_close(model(x), before, rtol=1e-5, atol=1e-5)


# What becomes of the model.


def test_the_models_own_parameters_keep_their_names() -> None:
    model = net()
    before = dict(model.named_parameters())
    nk.insert_(model, "batch", images())
    after = dict(model.named_parameters())
    added = ["0.norm.weight", "0.norm.bias", "2.norm.weight", "2.norm.bias"]
    assert set(after) - set(before) == set(added)
    assert set(before) - set(after) == {"0.bias", "2.bias"}
    assert all(after[name] is before[name] for name in set(before) & set(after))


@pytest.mark.parametrize("method", ON_ACTIVATIONS)
def test_a_bias_is_removed_where_the_norm_cancels_it(method: str) -> None:
    model = net()
    surgery = nk.insert_(model, method, images())
    cancelled = catalogue()[method].standardises in ("batch", "instance")
    assert (model[0].bias is None) is cancelled
    assert ("without the bias" in str(surgery.sites[0].done)) is cancelled


@pytest.mark.parametrize("method", ["batch", "instance"])
def test_what_is_removed_is_what_made_no_difference(method: str) -> None:
    model, x = net(), images()
    kept = copy.deepcopy(model)
    for index in (0, 2):
        kept[index].bias.data.fill_(5.0)
        kept[index].bias.requires_grad_(False)
        model[index].bias.data.fill_(5.0)
    nk.insert_(model, method, x)
    for index in (0, 2):
        kept[index].register_forward_hook(
            lambda _, __, y: (
                torch.nn.functional.batch_norm(y, None, None, training=True)
                if method == "batch"
                else torch.nn.functional.instance_norm(y)
            )
        )
    torch.testing.assert_close(model(x), kept(x), rtol=1e-4, atol=1e-5)


class Shifted(nn.Conv2d):
    """A convolution whose bias is not the last that it adds."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        return super().forward(input).tanh()


def test_a_bias_ahead_of_something_else_is_kept() -> None:
    model = nn.Sequential(Shifted(3, 8, 3), nn.ReLU()).eval()
    x = images()
    before = model(x)
    surgery = nk.insert_(model, "batch", x, data=[x])
    assert surgery.sites[0].layer == "Shifted"
    assert model[0].bias is not None
    torch.testing.assert_close(model(x), before, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", ON_ACTIVATIONS)
def test_every_method_can_be_put_in_and_trained(method: str) -> None:
    model, x = net(), images(12)
    surgery = nk.insert_(model, method, x)
    assert done(surgery) == ["0", "2"]
    optimizer = SGD(model.parameters(), lr=1e-3)
    before = {name: value.clone() for name, value in model.named_parameters()}
    for _ in range(2):
        optimizer.zero_grad()
        model(x).backward(torch.randn(12, 5))
        optimizer.step()
    weights = {"0.weight", "2.weight", "0.norm.weight", "2.norm.weight"} & set(before)
    assert all(not torch.equal(model.get_parameter(name), before[name]) for name in weights)
    assert model.eval()(x).isfinite().all()


@pytest.mark.parametrize("method", ON_ACTIVATIONS)
def test_every_method_is_taken_out_again_exactly(
    method: str, remember: Callable[..., Differences]
) -> None:
    model, x = net(), images(8)
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(x).backward(torch.randn(8, 5))
    optimizer.step()
    differences = remember(model, optimizer)
    before = model(x)
    surgery = nk.insert_(model, method, x, data=x.split(5), optimizers=optimizer)
    assert differences() != []
    surgery.undo()
    assert differences() == []
    assert torch.equal(model(x), before)


def test_training_in_between_is_taken_back_too() -> None:
    model, x = net(), images()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    surgery = nk.insert_(model, "batch", x, data=[x])
    optimizer = SGD(model.parameters(), lr=0.1)
    model(x).backward(torch.randn(6, 5))
    optimizer.step()
    surgery.undo()
    assert list(model.state_dict()) == list(before)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("training", [True, False])
def test_norms_come_in_the_mode_of_their_layer(training: bool) -> None:
    model = net().train(training)
    nk.insert_(model, "batch", images())
    assert model[0].norm.training is model.training is training


def test_hooks_of_a_layer_see_what_it_hands_on() -> None:
    model, seen = net(), list[Tensor]()
    model[0].register_forward_hook(lambda _, __, y: seen.append(y.detach().clone()))
    nk.insert_(model, "batch", images())
    seen.clear()
    model(images())
    torch.testing.assert_close(seen[0].mean((0, 2, 3)), torch.zeros(8), rtol=0, atol=1e-5)


def test_a_layer_is_of_its_own_class_still_and_can_be_copied_and_pickled() -> None:
    model = net()
    nk.insert_(model, "batch", images())
    x = images()
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert isinstance(other[0], nn.Conv2d)
        assert isinstance(other[0], Normalised)
        assert other[0].norm is not model[0].norm
        assert torch.equal(other(x), model(x))


def test_options_are_for_the_layer() -> None:
    model = net()
    nk.insert_(model, "group", images(), num_groups=3, eps=0.25)
    assert (model[0].norm.num_groups, model[0].norm.eps) == (2, 0.25)


def test_a_function_makes_the_norms_too() -> None:
    model = net()
    nk.insert_(model, lambda channels, dims=2: nn.GroupNorm(2, channels), images(), data=[images()])
    assert type(model[0].norm) is nn.GroupNorm


# Started so that the function is what it was.


@pytest.mark.parametrize("method", OVER_BATCH)
@pytest.mark.parametrize("sizes", [[32], [12, 12, 8], [1, 30, 1]], ids=str)
def test_with_data_methods_over_the_batch_change_nothing_in_evaluation(
    method: str, sizes: list[int]
) -> None:
    if method == "ghost_batch":
        sizes = [sum(sizes)]
    model = net().eval()
    x, new = images(32), images(7)
    before = model(x), model(new)
    surgery = nk.insert_(model, method, x, data=x.split(sizes))
    for after, wanted in zip((model(x), model(new)), before, strict=True):
        torch.testing.assert_close(after, wanted, rtol=1e-5, atol=1e-5)
    assert surgery.difference is not None
    assert surgery.difference < 1e-5
    assert all("calibrated, 0% of" in str(site.done) for site in surgery.done)


def test_batches_may_come_from_an_iterator_with_targets() -> None:
    model = net().eval()
    x = images(32)
    before = model(x)
    nk.insert_(model, "batch", x, data=((part, torch.zeros(len(part))) for part in x.split(12)))
    torch.testing.assert_close(model(x), before, rtol=1e-5, atol=1e-5)


def test_a_large_mean_is_no_obstacle() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()).eval().double()
    model[0].bias.data += 1000
    x = images(32).double()
    before = model(x)
    nk.insert_(model, "batch", x, data=x.split(12))
    torch.testing.assert_close(model(x), before, rtol=1e-7, atol=1e-7)


def test_statistics_are_those_of_the_data() -> None:
    model = net().eval()
    x = images(32)
    taken = model[0](x)
    nk.insert_(model, "batch", x, data=x.split(12))
    shift = taken.mean((0, 2, 3))
    # The bias, which is gone, is in what was measured before and not in what is measured now.
    torch.testing.assert_close(
        model[0].norm.running_var, taken.movedim(1, 0).flatten(1).var(1), rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(model[0].norm.bias, shift, rtol=1e-4, atol=1e-5)


def test_in_training_such_a_model_begins_near_what_it_was() -> None:
    model, x = net(), images(64)
    before = model(x)
    nk.insert_(model, "batch", x, data=[x])
    torch.testing.assert_close(model.train()(x), before, rtol=1e-2, atol=1e-2)


def test_what_group_norm_cannot_undo_is_told_as_it_is() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()).eval()
    x = images(32)
    wanted = model[0](x)
    (site,) = nk.insert_(model, "group", x, data=[x])
    spread = (wanted - wanted.mean((0, 2, 3), keepdim=True)).square().sum()
    left = ((model[0](x) - wanted).square().sum() / spread).sqrt()
    assert f"calibrated, {left:.0%} of the output's spread left over" in str(site.done)
    assert left > 0.005


def test_without_data_they_start_as_they_are_made() -> None:
    model = net()
    nk.insert_(model, "batch", images())
    assert torch.equal(model[0].norm.weight, torch.ones(8))
    assert model[0].norm.num_batches_tracked == 0


# Other surgeries after it.


def test_it_can_be_fused_afterwards() -> None:
    model, x = net(), images()
    nk.insert_(model, "batch", x)
    before = copy.deepcopy(model)(x)
    surgery = nk.fuse_(model, x)
    assert [site.done for site in surgery.sites] == ["norm + relu in one call"] * 2
    torch.testing.assert_close(model(x), before)


def test_it_can_be_folded_after_training_and_leaves_a_model_of_the_old_kind() -> None:
    model, x = net(), images(12)
    names = list(model.state_dict())
    optimizer = SGD(model.parameters(), lr=1e-2)
    nk.insert_(model, "batch", x, optimizers=optimizer)
    for _ in range(5):
        optimizer.zero_grad()
        model(x).backward(torch.randn(12, 5))
        optimizer.step()
    before = model.eval()(x)
    surgery = nk.fold_(model, x, optimizers=optimizer)
    assert len(surgery.done) == 2
    assert list(model.state_dict()) == names
    torch.testing.assert_close(model(x), before, rtol=1e-4, atol=1e-5)
    assert set(optimizer.param_groups[0]["params"]) == set(model.parameters())


def test_what_was_put_in_can_be_swapped_removed_frozen_and_recalibrated() -> None:
    model, x = net(), images(32)
    nk.insert_(model, "batch", x)
    assert len(nk.recalibrate_(model, [x]).done) == 2
    frozen = nk.freeze_(model)
    assert [site.name for site in frozen.done] == ["0.norm", "2.norm"]
    frozen.undo()
    assert len(nk.swap_(model, "group", data=[x]).done) == 2
    assert len(nk.remove_(model, x).done) == 2
    assert model(x).isfinite().all()


# Optimizers.


def test_new_parameters_join_the_group_of_their_layers_weight() -> None:
    model, x = net(), images()
    optimizer: Optimizer = Adam(
        [
            {"params": list(model[0].parameters()), "lr": 0.1},
            {"params": [*model[2].parameters(), *model[5].parameters()], "lr": 0.2},
        ]
    )
    other = SGD([model[2].weight], lr=0.3)
    nk.insert_(model, "batch", x, optimizers=[optimizer, other])
    groups = optimizer.param_groups
    assert groups[0]["params"] == list(model[0].parameters())
    assert set(groups[1]["params"]) == {*model[2].parameters(), *model[5].parameters()}
    assert other.param_groups[0]["params"] == list(model[2].parameters())


def test_a_bias_that_another_layer_holds_too_stays_with_the_optimizer() -> None:
    model = net()
    model[2].bias = model[0].bias
    optimizer = SGD(model.parameters(), lr=0.1)
    nk.insert_(model, "batch", images(), where=lambda name, _: name == "0", optimizers=optimizer)
    assert model[0].bias is None
    assert set(optimizer.param_groups[0]["params"]) == set(model.parameters())


def test_a_parametrized_layer_has_a_group_for_its_norm_too() -> None:
    model = net()
    nn.utils.parametrizations.weight_norm(model[0])
    optimizer = SGD(model.parameters(), lr=0.1)
    nk.insert_(model, "batch", images(), optimizers=optimizer)
    assert set(optimizer.param_groups[0]["params"]) == set(model.parameters())


def test_optimizers_may_come_from_an_iterator() -> None:
    model = net()
    optimizers = [SGD(model.parameters(), lr=0.1)]
    nk.insert_(model, "batch", images(), optimizers=iter(optimizers))
    assert set(optimizers[0].param_groups[0]["params"]) == set(model.parameters())


# What it refuses.


def test_a_method_on_the_weights_is_refused_with_the_fix() -> None:
    with pytest.raises(ValueError, match=r"nk\.nn\.weight_norm\(layer\)"):
        nk.insert_(net(), "weight_norm", images())


def test_something_that_is_no_norm_is_refused() -> None:
    with pytest.raises(TypeError, match="takes a method's name"):
        nk.insert_(net(), 3, images())  # type: ignore[arg-type]


def test_a_tensor_in_place_of_batches_is_refused() -> None:
    with pytest.raises(TypeError, match=r"For a single batch write \[x\]"):
        nk.insert_(net(), "batch", images(), data=images())


def test_something_that_is_no_optimizer_is_refused_and_nothing_changed(
    remember: Callable[..., Differences],
) -> None:
    model, x = net(), images()
    differences = remember(model)
    with pytest.raises(TypeError, match="got a str"):
        nk.insert_(model, "batch", x, optimizers=["sgd"])  # type: ignore[list-item]
    assert differences() == []
