"""Norms whose running statistics stay as they are, whatever mode the model is told to be in."""

from __future__ import annotations

import copy
import hashlib
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD

import normkit as nk
from normkit.nn.catalogue import catalogue
from normkit.surgery.freeze import is_frozen

Differences = Callable[[], list[str]]

WITH_STATISTICS = [
    name for name, method in catalogue().items() if "num_batches_tracked" in method.state_dict
]


def net(norm: Callable[[int], nn.Module] = nn.BatchNorm2d) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), norm(4), nn.ReLU(), nn.Conv2d(4, 4, 3), norm(4), nn.ReLU()
    )


def images() -> Tensor:
    return torch.randn(6, 3, 8, 8) + 1


def digest(model: nn.Module) -> str:
    """Of all buffers, bit for bit."""
    together = hashlib.sha256()
    for name, buffer in model.named_buffers():
        together.update(name.encode() + buffer.numpy().tobytes())
    return together.hexdigest()


def step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    y = model(images())
    y.backward(torch.randn(y.shape))
    optimizer.step()


@pytest.mark.parametrize(
    "norm",
    [
        nn.BatchNorm2d,
        nn.SyncBatchNorm,
        *(lambda c, name=name: nk.make(name, c) for name in WITH_STATISTICS),
    ],
    ids=["BatchNorm2d of PyTorch", "SyncBatchNorm of PyTorch", *WITH_STATISTICS],
)
def test_statistics_stay_bit_for_bit_through_training(norm: Callable[[int], nn.Module]) -> None:
    model = net(norm)
    for module in model.modules():
        if isinstance(tracked := getattr(module, "num_batches_tracked", None), Tensor):
            tracked.fill_(3)
    assert len(nk.freeze_(model).done) >= 2
    before = digest(model)
    optimizer = SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        model.train()
        step(model, optimizer)
    assert digest(model) == before


def test_without_a_freeze_they_would_move() -> None:
    model = net()
    before = digest(model)
    step(model, SGD(model.parameters(), lr=0.1))
    assert digest(model) != before


def test_a_frozen_norm_does_in_training_what_it_did_in_evaluation() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    model(images())
    x = images()
    before = model.eval()(x)
    nk.freeze_(model.train())
    assert torch.equal(model(x), before)


def test_it_survives_train_and_a_mode_set_by_hand() -> None:
    model = net()
    nk.freeze_(model)
    model.train()
    model[1].training = True
    model[4].train(True)
    assert [model.training, model[1].training, model[4].training] == [True, False, False]
    before = digest(model)
    model(images())
    assert digest(model) == before


def test_eval_of_a_layer_by_hand_does_not_survive_train() -> None:
    # What people do instead, for contrast.
    model = net()
    model[1].eval()
    model.train()
    assert model[1].training


def test_gamma_and_beta_are_fixed_with_it_and_lose_their_gradients() -> None:
    model = net()
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    step(model, optimizer)
    nk.freeze_(model)
    held = {name: p.clone() for name, p in model.named_parameters()}
    optimizer.step()
    step(model, optimizer)
    moved = [name for name, p in model.named_parameters() if not torch.equal(p, held[name])]
    assert moved == ["0.weight", "0.bias", "3.weight", "3.bias"]


def test_gamma_and_beta_can_go_on_training() -> None:
    model = net()
    nk.freeze_(model, affine=False)
    held = model[1].weight.clone()
    before = digest(model)
    step(model, SGD(model.parameters(), lr=0.1))
    assert not torch.equal(model[1].weight, held)
    assert digest(model) == before


def test_names_parameters_and_kind_stay() -> None:
    model = net()
    names, parameters = list(model.state_dict()), list(model.parameters())
    nk.freeze_(model)
    assert list(model.state_dict()) == names
    assert all(one is other for one, other in zip(parameters, model.parameters(), strict=True))
    assert isinstance(model[1], nn.BatchNorm2d)
    assert is_frozen(model[1])


def test_a_frozen_model_can_be_copied_pickled_and_loaded_into() -> None:
    model, x = net(), images()
    model(x)
    nk.freeze_(model)
    wanted = model(x)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert is_frozen(other[1])
        assert not other.train()[1].training
        assert torch.equal(other(x), wanted)
    fresh = net()
    nk.freeze_(fresh)
    fresh.load_state_dict(model.state_dict())
    assert torch.equal(fresh(x), wanted)


def test_only_the_chosen_ones_are_frozen() -> None:
    model = net()
    surgery = nk.freeze_(model, where=lambda name, _: name == "4")
    assert [site.name for site in surgery.sites] == ["4"]
    assert [model[1].training, model[4].training] == [True, False]


def test_a_norm_without_statistics_is_no_site() -> None:
    model = nn.Sequential(nn.GroupNorm(2, 4), nn.BatchNorm2d(4, track_running_stats=False))
    assert nk.freeze_(model).sites == ()


def test_a_norm_that_is_frozen_already_is_told_and_left_alone() -> None:
    model = net()
    nk.freeze_(model, where=lambda name, _: name == "1")
    surgery = nk.freeze_(model)
    assert [(site.name, site.refused) for site in surgery.sites] == [
        ("1", "it is frozen already"),
        ("4", None),
    ]
    surgery.undo()
    assert [model[1].training, model[4].training] == [False, True]


def test_a_frozen_norm_trains_again_after_unfreezing() -> None:
    model = net()
    nk.freeze_(model)
    surgery = nk.unfreeze_(model)
    assert [site.done for site in surgery.sites] == ["BatchNorm2d", "BatchNorm2d"]
    assert type(model[1]) is nn.BatchNorm2d
    assert all(parameter.requires_grad for parameter in model.parameters())
    before = digest(model)
    held = model[1].weight.clone()
    step(model, SGD(model.parameters(), lr=0.1))
    assert digest(model) != before
    assert not torch.equal(model[1].weight, held)


def test_what_was_fixed_before_the_freeze_stays_so_after_it() -> None:
    model = net()
    model[1].weight.requires_grad_(False)
    nk.freeze_(model)
    nk.unfreeze_(model)
    asks = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    assert [name for name in asks if not asks[name]] == ["1.weight"]


@pytest.mark.parametrize("training", [True, False])
def test_unfrozen_norms_are_in_the_mode_of_the_model(training: bool) -> None:
    model = net()
    nk.freeze_(model)
    model.train(training)
    nk.unfreeze_(model)
    assert model[1].training is training


def test_a_freeze_of_a_part_within_a_freeze_is_undone_step_by_step(
    remember: Callable[..., Differences],
) -> None:
    model = net()
    at_first = remember(model)
    outer = nk.freeze_(model, where=lambda name, _: name == "1")
    in_between = remember(model)
    inner = nk.freeze_(model)
    assert is_frozen(model[4])
    inner.undo()
    assert in_between() == []
    outer.undo()
    assert at_first() == []


def test_unfreezing_is_undone_too(remember: Callable[..., Differences]) -> None:
    model = net()
    nk.freeze_(model)
    differences = remember(model)
    surgery = nk.unfreeze_(model)
    assert differences() != []
    surgery.undo()
    assert differences() == []


def test_undone_it_keeps_what_other_parameters_have_become() -> None:
    model = net()
    surgery = nk.freeze_(model)
    step(model, SGD([p for p in model.parameters() if p.requires_grad], lr=0.1))
    trained = model[0].weight.clone()
    surgery.undo()
    assert torch.equal(model[0].weight, trained)
    assert model[1].training
    assert model[1].weight.requires_grad


def test_undone_in_evaluation_mode_norms_are_in_it() -> None:
    model = net()
    surgery = nk.freeze_(model)
    model.eval()
    surgery.undo()
    assert not model[1].training


def test_gradients_come_back_when_it_is_undone(remember: Callable[..., Differences]) -> None:
    model, x = net(), images()
    model(x).backward(torch.randn(6, 4, 4, 4))
    differences = remember(model)
    surgery = nk.freeze_(model)
    assert model[1].weight.grad is None
    surgery.undo()
    assert differences() == []


def test_a_fused_model_can_be_frozen() -> None:
    model, x = net(), images()
    model(x)
    nk.fuse_(model, x)
    wanted = copy.deepcopy(model).eval()(x)
    surgery = nk.freeze_(model)
    assert len(surgery.done) == 2
    before = digest(model)
    torch.testing.assert_close(model.train()(x), wanted)
    assert digest(model) == before
    surgery.undo()
    model(x)
    assert digest(model) != before


def test_a_frozen_model_can_be_folded() -> None:
    model, x = net(), images()
    model(x)
    nk.freeze_(model)
    wanted = model.eval()(x)
    assert len(nk.fold_(model, x).done) == 2
    torch.testing.assert_close(model(x), wanted, rtol=1e-4, atol=1e-5)


def test_requires_grad_does_not_stop_statistics_and_a_freeze_does() -> None:
    by_hand, frozen = net(), net()
    for module in (by_hand[1], by_hand[4]):
        module.requires_grad_(False)
    before = digest(by_hand)
    by_hand(images())
    assert digest(by_hand) != before
    nk.freeze_(frozen)
    before = digest(frozen)
    frozen(images())
    assert digest(frozen) == before


def test_undone_the_parameters_that_are_there_by_then_are_trained() -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))
    surgery = nk.freeze_(model)
    model.load_state_dict({k: v.clone() for k, v in model.state_dict().items()}, assign=True)
    surgery.undo()
    assert all(parameter.requires_grad for parameter in model.parameters())
