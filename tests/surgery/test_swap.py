"""Norms become those of another method, where they stand."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import pairwise
from math import gcd

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam

import normkit as nk
from normkit.nn.catalogue import catalogue

Differences = Callable[[], list[str]]
Make = Callable[..., nn.Module]

ON_ACTIVATIONS = [name for name, method in catalogue().items() if method.on == "activations"]

SAME_IN_EVALUATION: dict[str, Make] = {
    "batch": nk.nn.BatchNorm2d,
    "sync_batch": nk.nn.SyncBatchNorm,
    "ghost_batch": nk.nn.GhostBatchNorm2d,
    "batch_renorm": nk.nn.BatchRenorm2d,
    "frozen_batch": nk.nn.FrozenBatchNorm2d,
}


def randomised(model: nn.Module) -> nn.Module:
    """A model whose norms are past their first values, or what they carry over proves nothing."""
    with torch.no_grad():
        for module in model.modules():
            for name in ("weight", "running_var"):
                if isinstance(vector := getattr(module, name, None), Tensor) and vector.ndim == 1:
                    vector.uniform_(0.5, 2)
            for name in ("bias", "running_mean"):
                if isinstance(vector := getattr(module, name, None), Tensor):
                    vector.normal_()
            if isinstance(tracked := getattr(module, "num_batches_tracked", None), Tensor):
                tracked.fill_(7)
    return model


def net(norm: Make = nn.BatchNorm2d, channels: int = 8) -> nn.Sequential:
    model = nn.Sequential(
        nn.Conv2d(3, channels, 3),
        norm(channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, channels, 3),
        norm(channels),
        nn.ReLU(inplace=True),
    )
    return randomised(model)  # type: ignore[return-value]


def images(count: int = 6) -> Tensor:
    return torch.randn(count, 3, 9, 9) * 2 + 0.5


def one_norm(norm: Make = nn.BatchNorm2d, channels: int = 8) -> nn.Sequential:
    return randomised(nn.Sequential(nn.Conv2d(3, channels, 3), norm(channels)))  # type: ignore


# What means the same is carried over.


@pytest.mark.parametrize("target", SAME_IN_EVALUATION)
@pytest.mark.parametrize("source", ["batch of PyTorch", *SAME_IN_EVALUATION])
def test_among_methods_that_mean_the_same_evaluation_is_exact(source: str, target: str) -> None:
    model = net(SAME_IN_EVALUATION.get(source, nn.BatchNorm2d)).eval()
    x = images()
    before, held = model(x), copy.deepcopy(dict(model[1].state_dict()))
    surgery = nk.swap_(model, target, example=x)
    torch.testing.assert_close(model(x), before, rtol=1e-6, atol=1e-6)
    assert isinstance(model[1], SAME_IN_EVALUATION[target])
    assert len(surgery.done) == 2
    assert surgery.difference is not None
    assert surgery.difference < 1e-6
    for name, value in model[1].state_dict().items():
        assert name == "num_batches_tracked" or torch.equal(value, held[name])


def test_epsilon_momentum_and_the_count_of_batches_are_carried_over() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, eps=0.3, momentum=0.02)).eval()
    randomised(model)
    nk.swap_(model, "ghost_batch", example=images())
    assert (model[1].eps, model[1].momentum) == (0.3, 0.02)
    assert model[1].num_batches_tracked == 7


def test_an_epsilon_that_is_asked_for_is_the_one() -> None:
    model = one_norm()
    nk.swap_(model, "ghost_batch", example=images(), eps=0.3, momentum=0.5)
    assert (model[1].eps, model[1].momentum) == (0.3, 0.5)


def test_a_swap_that_is_not_lossy_says_nothing_of_calibration() -> None:
    model = one_norm()
    (site,) = nk.swap_(model, "sync_batch", data=[images()])
    assert site.done == "SyncBatchNorm"


def test_without_running_statistics_batch_norms_do_not_mean_the_same() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, track_running_stats=False))
    (site,) = nk.swap_(model, "frozen_batch", example=images())
    assert site.done == "FrozenBatchNorm2d; not calibrated"


@pytest.mark.parametrize(("method", "told"), [("layer", "1 group"), ("group", "4 groups")])
def test_other_numbers_of_groups_do_not_mean_the_same(method: str, told: str) -> None:
    model = one_norm(lambda channels: nn.GroupNorm(2, channels))
    data = [images(64)]
    options = {} if method == "layer" else {"num_groups": 4}
    (site,) = nk.swap_(model, method, data=data, **options)
    assert site.done is not None
    assert site.done.startswith(f"GroupNorm of {told}; calibrated, ")


def test_data_choose_the_number_of_groups_that_leaves_least_over() -> None:
    model = one_norm(lambda channels: nn.GroupNorm(2, channels))
    (site,) = nk.swap_(model, "group", data=[images(64)])
    assert site.done == "GroupNorm of 2 groups; calibrated, 0% of the output's spread left over"
    assert model[1].num_groups == 2
    assert site.difference < 1e-5


def test_without_data_it_is_the_largest_legal_one() -> None:
    model = one_norm(lambda channels: nn.GroupNorm(2, channels))
    nk.swap_(model, "group", example=images(8))
    assert model[1].num_groups == model[1].num_channels // 2


def test_the_same_number_of_groups_means_the_same() -> None:
    model = one_norm(lambda channels: nn.GroupNorm(2, channels, eps=0.3))
    before = model(x := images())
    (site,) = nk.swap_(model, "group", example=x, num_groups=2)
    assert site.done == "GroupNorm of 2 groups"
    torch.testing.assert_close(model(x), before)


def test_a_swap_that_takes_beta_away_does_not_mean_the_same() -> None:
    model = one_norm()
    (site,) = nk.swap_(model, "ghost_batch", example=images(), bias=False)
    assert site.done == "GhostBatchNorm2d; not calibrated"
    assert model[1].bias is None


# What does not is copied, and fitted on data.


def test_without_data_gamma_and_beta_are_copied() -> None:
    model = one_norm()
    held = copy.deepcopy(model[1].state_dict())
    (site,) = nk.swap_(model, "group", example=images())
    assert site.done == "GroupNorm of 4 groups; not calibrated"
    assert torch.equal(model[1].weight, held["weight"])
    assert torch.equal(model[1].bias, held["bias"])
    assert list(model.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_data_brings_the_output_closer_than_a_copy_does() -> None:
    model = net().eval()
    x = images(64)
    before = model(x)
    copied, fitted = copy.deepcopy(model), copy.deepcopy(model)
    nk.swap_(copied, "group", example=x)
    nk.swap_(fitted, "group", data=x.split(20))

    def lost(other: nn.Module) -> float:
        return float((other(x) - before).detach().square().mean().sqrt())

    assert lost(fitted) < 0.6 * lost(copied)


def test_what_is_left_over_is_told_as_it_is() -> None:
    model = one_norm().eval()
    x = images(64)
    wanted = model(x)
    (site,) = nk.swap_(model, "group", data=[x])
    spread = (wanted - wanted.mean((0, 2, 3), keepdim=True)).square().sum()
    left = ((model(x) - wanted).square().sum() / spread).sqrt()
    assert site.done is not None
    assert site.done.endswith(f"; calibrated, {left:.0%} of the output's spread left over")
    assert 0.005 < left < 0.9


def test_from_group_to_batch_data_give_statistics_and_fit() -> None:
    model = one_norm(lambda channels: nn.GroupNorm(4, channels)).eval()
    x = images(64)
    taken = model[0](x)
    nk.swap_(model, "batch", data=x.split([30, 30, 4]))
    mean, variance = taken.mean((0, 2, 3)), taken.movedim(1, 0).flatten(1).var(1)
    torch.testing.assert_close(model[1].running_mean, mean)
    torch.testing.assert_close(model[1].running_var, variance)
    assert model[1].bias.abs().max() > 0.1


@pytest.mark.parametrize("method", ON_ACTIVATIONS)
def test_every_method_takes_the_place_of_batch_norm(method: str) -> None:
    model = net().eval()
    x = images(24)
    surgery = nk.swap_(model, method, data=x.split(9))
    assert [site.refused for site in surgery.sites] == [None, None]
    layer = nk.make(method, 8)
    assert type(model[1]) is type(model[4]) is type(layer)
    assert set(model[1].state_dict()) == set(layer.state_dict())
    assert model(x).isfinite().all()
    model.train()
    model(x).backward(torch.randn(24, 8, 5, 5))
    assert all(parameter.grad is not None for parameter in model[0].parameters())


@pytest.mark.parametrize("method", ON_ACTIVATIONS)
def test_what_is_left_over_is_told_as_it_is_for_every_method(method: str) -> None:
    if method in SAME_IN_EVALUATION:
        model: nn.Module = one_norm(lambda channels: nn.GroupNorm(2, channels)).eval()
    else:
        model = one_norm().eval()
    x = images(24)
    wanted = model(x)
    (site,) = nk.swap_(model, method, data=x.split(9))
    if isinstance(model[1], nk.nn.FilterResponseNorm2d):
        model[1].threshold = None  # The fit is of what it cuts off from below.
    spread = (wanted - wanted.mean((0, 2, 3), keepdim=True)).square().sum()
    left = ((model(x) - wanted).square().sum() / spread).sqrt()
    assert site.done is not None
    assert f" {left:.0%} of the output's" in site.done
    # Where there is a γ to be fitted, even a γ of nothing would not leave over more.
    assert left <= 1 or getattr(model[1], "weight", None) is None


@pytest.mark.parametrize("method", ON_ACTIVATIONS)
def test_every_method_becomes_group_norm(method: str) -> None:
    model = net(lambda channels: nk.make(method, channels)).eval()
    x = images(24)
    surgery = nk.swap_(model, "group", data=x.split(9), num_groups=2)
    assert type(model[1]) is (nk.nn.Identity if method == "none" else nk.nn.GroupNorm)
    assert len(surgery.sites) == (0 if method == "none" else 2)
    model.train()(x)


@pytest.mark.parametrize("method", ON_ACTIVATIONS)
def test_every_swap_is_taken_back_exactly(
    method: str, remember: Callable[..., Differences]
) -> None:
    model = net()
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    x = images()
    model(x).backward(torch.randn(6, 8, 5, 5))
    optimizer.step()
    differences = remember(model, optimizer)
    before = copy.deepcopy(model).eval()(x)
    surgery = nk.swap_(model, method, data=[x], optimizers=optimizer)
    if method != "batch":
        assert differences() != []
    surgery.undo()
    assert differences() == []
    assert torch.equal(model.eval()(x), before)


def test_training_in_between_is_taken_back_too() -> None:
    model = net()
    x = images()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    surgery = nk.swap_(model, "group", data=[x])
    optimizer = SGD(model.parameters(), lr=0.1)
    model(x).backward(torch.randn(6, 8, 5, 5))
    optimizer.step()
    surgery.undo()
    assert list(before) == list(model.state_dict())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


# Legal numbers of groups, and maps of one position.


@pytest.mark.parametrize(("asked", "given"), [(32, 12), (8, 8), (7, 6), (5, 4), (1, 1)])
def test_a_number_of_groups_is_made_the_next_smaller_legal_one(asked: int, given: int) -> None:
    model = one_norm(channels=24)
    (site,) = nk.swap_(model, "group", example=images(), num_groups=asked)
    assert model[1].num_groups == given
    assert site.done is not None
    assert f" of {given} group" in site.done


def squeezing(channels: int) -> nn.Module:
    return randomised(
        nn.Sequential(nn.Conv2d(3, channels, 3), nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(channels))
    )


@pytest.mark.parametrize(("channels", "groups"), [(64, 4), (32, 2), (24, 1), (8, 1)])
def test_on_maps_of_one_position_a_group_keeps_sixteen_values_or_all(
    channels: int, groups: int
) -> None:
    model = squeezing(channels)
    nk.swap_(model, "group", example=images())
    assert model[2].num_groups == groups
    assert channels // groups >= 16 or groups == 1


def test_on_maps_of_one_position_instance_norm_is_refused_with_the_reason() -> None:
    model = squeezing(8).eval()
    before = model(x := images())
    (site,) = nk.swap_(model, "instance", example=x)
    assert (site.done, site.difference) == (None, None)
    assert (
        site.refused == "each channel of a sample has one value there, which 'instance' would erase"
    )
    assert torch.equal(model(x), before)


def test_a_single_channel_has_no_group_to_be_normalised_over_on_maps_of_one_position() -> None:
    model = squeezing(1)
    (site,) = nk.swap_(model, "group", example=images())
    assert site.refused is not None
    assert "one value" in site.refused


# The layers stay where they are.


class Loud(nn.BatchNorm2d):
    """A norm that does more than its base."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        return super().forward(input).relu()


class Named(nn.BatchNorm2d):
    """A norm that does what its base does."""


def test_a_norm_with_a_forward_pass_of_its_own_is_left_alone() -> None:
    model = one_norm(Loud).eval()
    before = model(x := images())
    (site,) = nk.swap_(model, "group", example=x)
    assert (site.layer, site.refused) == ("Loud", "Loud has a forward pass of its own")
    assert torch.equal(model(x), before)


def test_a_norm_whose_forward_was_replaced_by_hand_is_left_alone() -> None:
    model = one_norm()
    layer = model[1]
    layer.forward = lambda x: nn.BatchNorm2d.forward(layer, x) * 2  # type: ignore[method-assign]
    (site,) = nk.swap_(model, "group", example=images())
    assert site.refused == "BatchNorm2d has a forward pass of its own"


def test_a_subclass_without_one_is_swapped() -> None:
    model = one_norm(Named)
    (site,) = nk.swap_(model, "group", example=images())
    assert (site.layer, type(model[1])) == ("Named", nk.nn.GroupNorm)


def test_norms_over_the_last_axes_are_left_alone() -> None:
    model = nn.Sequential(nn.Linear(3, 8), nn.LayerNorm(8))
    (site,) = nk.swap_(model, "group", example=torch.randn(4, 3))
    assert site.refused is not None
    assert "last axes" in site.refused


def test_hooks_are_called_still_and_removed_by_their_handles() -> None:
    model, x = one_norm(), images()
    called: list[str] = []
    layer = model[1]
    handles = [
        layer.register_forward_hook(lambda *_: called.append("forward")),
        layer.register_forward_pre_hook(lambda *_: called.append("before")),
        layer.register_full_backward_hook(lambda *_: called.append("backward")),
        layer.register_full_backward_pre_hook(lambda *_: called.append("before backward")),
    ]
    nk.swap_(model, "group", data=[x])
    called.clear()
    y = model(x)
    y.backward(torch.randn(y.shape))
    assert called == ["before", "forward", "before backward", "backward"]
    for handle in handles:
        handle.remove()
    model(x)
    assert len(called) == 4


def test_a_layer_in_two_places_stays_one() -> None:
    norm = nn.BatchNorm2d(8)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), norm, nn.ReLU(), norm)
    held_elsewhere = [norm]
    surgery = nk.swap_(model, "group", data=[images()])
    assert len(surgery.sites) == 1
    assert model[1] is model[3] is held_elsewhere[0]
    assert isinstance(norm, nk.nn.GroupNorm)
    # The module's own list of its children knows of one, as before.
    assert len(list(model.children())) == 3


@pytest.mark.parametrize("act", ["relu", nn.PReLU(8)], ids=["name", "module"])
def test_a_layers_own_activation_is_kept(act: object) -> None:
    model = one_norm(lambda channels: nk.nn.BatchNorm2d(channels, act=act)).eval()
    x = images(32)
    plain = copy.deepcopy(model)
    plain[1].act = None
    nk.swap_(model, "group", data=[x])
    nk.swap_(plain, "group", data=[x])
    assert model[1].act is act
    # What is fitted is what comes before the activation.
    torch.testing.assert_close(model[1].weight, plain[1].weight)
    torch.testing.assert_close(model[1].bias, plain[1].bias)
    assert not torch.equal(model(x), plain(x))


def test_gamma_and_beta_stay_the_same_parameters() -> None:
    model = net()
    before = dict(model.named_parameters())
    nk.swap_(model, "group", data=[images()])
    after = dict(model.named_parameters())
    assert list(after) == list(before)
    assert all(after[name] is before[name] for name in before)


def test_gamma_and_beta_that_are_frozen_stay_so() -> None:
    model = net()
    for parameter in model[1].parameters():
        parameter.requires_grad_(False)
    nk.swap_(model, "group", data=[images()])
    assert [p.requires_grad for p in model[1].parameters()] == [False, False]
    assert [p.requires_grad for p in model[4].parameters()] == [True, True]


def test_a_frozen_gamma_that_takes_another_shape_stays_frozen() -> None:
    model = nn.Sequential(nn.BatchNorm1d(3))
    model[0].weight.requires_grad_(False)

    def norm(channels: int, dims: int = 2) -> nn.Module:
        made = nn.GroupNorm(1, channels)
        made.weight = nn.Parameter(torch.ones(1))
        made.forward = lambda x: x * made.weight + made.bias  # type: ignore[method-assign]
        return made

    nk.swap_(model, norm, example=torch.randn(4, 3))
    assert [model[0].weight.shape, model[0].weight.requires_grad] == [(1,), False]


@pytest.mark.parametrize("training", [True, False])
def test_layers_keep_their_modes(training: bool) -> None:
    model = net().train(training)
    model[1].train(not training)
    nk.swap_(model, "ghost_batch", example=images())
    assert [model.training, model[1].training, model[4].training] == [
        training,
        not training,
        training,
    ]


def test_it_stays_in_its_precision() -> None:
    model = net().double()
    nk.swap_(model, "group", example=images().double())
    assert all(parameter.dtype is torch.float64 for parameter in model.parameters())


def test_only_the_chosen_norms_are_swapped() -> None:
    model = net()
    surgery = nk.swap_(model, "group", example=images(), where=lambda name, _: name == "4")
    assert [site.name for site in surgery.sites] == ["4"]
    assert [type(model[1]), type(model[4])] == [nn.BatchNorm2d, nk.nn.GroupNorm]


def test_a_function_makes_the_norms_too() -> None:
    model = net()
    made: list[tuple[int, int]] = []

    def norm(channels: int, dims: int = 2) -> nn.Module:
        made.append((channels, dims))
        return nn.GroupNorm(2, channels)

    nk.swap_(model, norm, data=[images()])
    assert made == [(8, 2), (8, 2)]
    assert type(model[1]) is nn.GroupNorm


@pytest.mark.parametrize(
    ("shape", "norm", "dims"),
    [
        ((6, 8), nn.BatchNorm1d, 1),
        ((6, 8, 5), nn.BatchNorm1d, 1),
        ((6, 8, 3, 3, 3), nn.BatchNorm3d, 3),
    ],
)
def test_it_works_on_every_number_of_dims(shape: tuple[int, ...], norm: Make, dims: int) -> None:
    model = randomised(nn.Sequential(norm(8)))
    x = torch.randn(shape)
    nk.swap_(model, "ghost_batch", example=x)
    assert type(model[0]) is getattr(nk.nn, f"GhostBatchNorm{dims}d")
    model(x)


# Optimizers.


def trained(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor) -> None:
    optimizer.zero_grad()
    y = model(x)
    y.backward(torch.randn(y.shape))
    optimizer.step()


def test_only_what_was_fitted_is_forgotten_by_optimizers() -> None:
    model, x = net(), images()
    optimizer = Adam(model.parameters(), lr=0.01)
    trained(model, optimizer, x)
    held = dict(model.named_parameters())
    nk.swap_(model, "group", data=[x], where=lambda name, _: name == "1", optimizers=optimizer)
    remembered = [name for name, parameter in held.items() if parameter in optimizer.state]
    assert remembered == ["0.weight", "0.bias", "3.weight", "3.bias", "4.weight", "4.bias"]


def test_what_means_the_same_is_not_forgotten() -> None:
    model, x = net(), images()
    optimizer = Adam(model.parameters(), lr=0.01)
    trained(model, optimizer, x)
    nk.swap_(model, "ghost_batch", data=[x], optimizers=optimizer)
    assert len(optimizer.state) == 8


def test_new_parameters_are_trained_and_old_ones_leave() -> None:
    model, x = net(), images()
    optimizer = SGD(model.parameters(), lr=0.1)
    nk.swap_(model, "filter_response", data=[x], optimizers=optimizer)
    assert set(optimizer.param_groups[0]["params"]) == set(model.parameters())
    assert model[1].threshold in set(model.parameters())
    nk.swap_(model, "split_batch", example=x, optimizers=optimizer)
    assert set(optimizer.param_groups[0]["params"]) == set(model.parameters())
    nk.swap_(model, "none", example=x, optimizers=optimizer)
    assert set(optimizer.param_groups[0]["params"]) == set(model.parameters())
    trained(model, optimizer, x)


def test_the_model_learns_after_a_swap_ahead_of_an_in_place_relu() -> None:
    model, x = net(), images()
    nk.swap_(model, "group", data=[x])
    before = [parameter.clone() for parameter in model.parameters()]
    trained(model, SGD(model.parameters(), lr=0.1), x)
    moved = [not torch.equal(b, p) for b, p in zip(before, model.parameters(), strict=True)]
    assert moved == [True] * 8


def test_parameters_where_there_were_none_join_those_of_the_layer_before() -> None:
    model = net(lambda channels: nn.BatchNorm2d(channels, affine=False))
    optimizer = SGD(
        [{"params": list(model[0].parameters())}, {"params": list(model[3].parameters())}], lr=0.1
    )
    nk.swap_(model, "group", data=[images()], optimizers=optimizer)
    assert [set(group["params"]) for group in optimizer.param_groups] == [
        {*model[0].parameters(), *model[1].parameters()},
        {*model[3].parameters(), *model[4].parameters()},
    ]


def test_parameters_that_another_layer_holds_too_stay_with_the_optimizer() -> None:
    model = net()
    model[4].weight = model[1].weight
    optimizer = SGD(model.parameters(), lr=0.1)
    nk.swap_(
        model, "none", example=images(), where=lambda name, _: name == "1", optimizers=optimizer
    )
    assert set(optimizer.param_groups[0]["params"]) == set(model.parameters())


def test_a_norm_that_is_called_by_keyword_is_left_alone_with_the_reason() -> None:
    class ByKeyword(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm2d(3)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(input=x)

    (site,) = nk.swap_(ByKeyword(), "group", data=[images()])
    assert "called by keyword" in str(site.refused)


# What it refuses.


def test_neither_an_example_nor_data_is_an_error() -> None:
    with pytest.raises(ValueError, match="give it an example=x, or data=batches"):
        nk.swap_(net(), "group")


def test_data_without_a_batch_is_an_error() -> None:
    with pytest.raises(ValueError, match="no batch"):
        nk.swap_(net(), "group", example=images(), data=[])


def test_a_tensor_in_place_of_batches_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"For a single batch write \[x\]"):
        nk.swap_(net(), "group", data=images())


def test_something_that_is_no_model_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"swap_ changes a torch\.nn\.Module; got a str"):
        nk.swap_("net", "group", data=[images()])  # type: ignore[arg-type]


def test_an_unknown_method_is_an_error() -> None:
    with pytest.raises(ValueError, match="Did you mean 'group'"):
        nk.swap_(net(), "grup", example=images())


def test_an_option_that_the_method_does_not_take_is_an_error() -> None:
    with pytest.raises(TypeError, match="takes no option 'groups'"):
        nk.swap_(net(), "group", example=images(), groups=2)


def test_a_layer_that_another_surgery_changed_is_left_alone() -> None:
    model = net()
    nk.freeze_(model, where=lambda name, _: name == "1")
    surgery = nk.swap_(model, "group", example=images())
    assert [site.done is None for site in surgery.sites] == [True, False]
    assert "undo that one first" in str(surgery.sites[0].refused)


# The failures of other libraries, each by name.


def test_pytorchs_conversion_drops_the_activation_of_a_subclass_and_ours_does_not() -> None:
    x = images()
    theirs = nn.SyncBatchNorm.convert_sync_batchnorm(one_norm(Loud)).eval()
    assert type(theirs[1]) is nn.SyncBatchNorm
    assert not hasattr(theirs[1], "act")
    model = one_norm(Loud).eval()
    before = model(x)
    nk.sync_(model)
    nk.swap_(model, "sync_batch", example=x)
    assert torch.equal(model(x), before)
    own = one_norm(lambda channels: nk.nn.BatchNorm2d(channels, act="relu")).eval()
    before = own(x)
    nk.swap_(own, "sync_batch", example=x)
    torch.testing.assert_close(own(x), before)


def test_pytorchs_conversion_unshares_shared_layers_and_ours_does_not() -> None:
    def shared() -> nn.Sequential:
        norm = nn.BatchNorm2d(8)
        return nn.Sequential(
            nn.Sequential(nn.Conv2d(3, 8, 3), norm), nn.Sequential(nn.ReLU(), norm)
        )

    theirs = nn.SyncBatchNorm.convert_sync_batchnorm(shared())
    assert theirs[0][1] is not theirs[1][1]
    ours = shared()
    nk.swap_(ours, "sync_batch", example=images())
    assert ours[0][1] is ours[1][1]


def test_pytorchs_conversion_loses_hooks_and_ours_does_not() -> None:
    def hooked() -> tuple[nn.Sequential, list[object]]:
        model, called = one_norm(), list[object]()
        model[1].register_forward_hook(lambda *_: called.append(1))
        return model, called

    theirs, _ = hooked()
    assert not nn.SyncBatchNorm.convert_sync_batchnorm(theirs)[1]._forward_hooks
    ours, called = hooked()
    nk.swap_(ours, "sync_batch", example=images())
    called.clear()
    ours(images())
    assert called == [1]


def test_from_sync_batch_norm_there_is_a_way_back() -> None:
    assert not hasattr(nn.SyncBatchNorm, "revert_sync_batchnorm")
    model = nn.SyncBatchNorm.convert_sync_batchnorm(one_norm()).eval()
    x = images()
    before = model(x)
    nk.swap_(model, "batch", example=x)
    assert type(model[1]) is nk.nn.BatchNorm2d
    torch.testing.assert_close(model(x), before)


def test_a_loop_by_hand_loses_gamma_and_beta_and_ours_does_not() -> None:
    by_hand = one_norm()
    by_hand[1] = nn.GroupNorm(4, 8)
    assert torch.equal(by_hand[1].weight, torch.ones(8))
    model = one_norm()
    held = model[1].weight.clone()
    nk.swap_(model, "group", example=images())
    assert torch.equal(model[1].weight, held)


def test_a_rule_of_common_divisors_erases_maps_of_one_position_and_ours_does_not() -> None:
    by_the_rule = nn.GroupNorm(gcd(32, 32), 32)
    assert by_the_rule(torch.randn(4, 32, 1, 1)).abs().max() < 1e-3
    model = squeezing(32).eval()
    nk.swap_(model, "group", example=images())
    y = model(images(8))
    assert all(not torch.allclose(one, other, atol=0.1) for one, other in pairwise(y))


def test_a_swap_survives_an_in_place_relu() -> None:
    # What follows overwrites the norm's output, which the norm's backward must not need.
    model = net()
    nk.swap_(model, "group", example=images())
    model(images()).backward(torch.randn(6, 8, 5, 5))
    assert model[0].weight.grad.isfinite().all()
