"""Batch normalization over all processes, and back."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD

import normkit as nk

Differences = Callable[[], list[str]]

OF_DIMS = {
    1: (nn.BatchNorm1d, nk.nn.BatchNorm1d, (5, 4, 6)),
    2: (nn.BatchNorm2d, nk.nn.BatchNorm2d, (5, 4, 6, 6)),
    3: (nn.BatchNorm3d, nk.nn.BatchNorm3d, (5, 4, 3, 3, 3)),
}


def images() -> Tensor:
    return torch.randn(5, 3, 8, 8)


def net() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nk.nn.BatchNorm2d(4))


@pytest.mark.parametrize("ours", [False, True], ids=["PyTorch's", "normkit's"])
@pytest.mark.parametrize("dims", OF_DIMS)
def test_there_and_back_it_computes_what_it_did(dims: int, ours: bool) -> None:
    theirs, own, shape = OF_DIMS[dims]
    model = nn.Sequential((own if ours else theirs)(4))
    x = torch.randn(shape)
    wanted = copy.deepcopy(model)(x)
    nk.sync_(model)
    assert type(model[0]) is nk.nn.SyncBatchNorm
    torch.testing.assert_close(copy.deepcopy(model)(x), wanted)
    nk.unsync_(model, x)
    assert type(model[0]) is own
    torch.testing.assert_close(model(x), wanted)


def test_features_come_back_as_those_of_one_dimension() -> None:
    model = nn.Sequential(nn.BatchNorm1d(4))
    nk.sync_(model)
    nk.unsync_(model, torch.randn(5, 4))
    assert type(model[0]) is nk.nn.BatchNorm1d


def test_it_stands_where_it_stood() -> None:
    model, called = net(), list[int]()
    model[1].register_forward_hook(lambda *_: called.append(1))
    before = dict(model.state_dict(keep_vars=True))
    layers = list(model.modules())
    surgery = nk.sync_(model)
    assert [(site.name, site.layer, site.done) for site in surgery.sites] == [
        ("1", "BatchNorm2d", "SyncBatchNorm"),
        ("3", "BatchNorm2d", "SyncBatchNorm"),
    ]
    after = model.state_dict(keep_vars=True)
    assert list(after) == list(before)
    assert all(after[name] is before[name] for name in before)
    assert all(one is other for one, other in zip(layers, model.modules(), strict=True))
    model(images())
    assert called == [1]


def test_shared_layers_stay_shared_and_activations_stay() -> None:
    norm = nk.nn.BatchNorm2d(3, act="relu")
    model = nn.Sequential(norm, nn.Sequential(norm))
    assert len(nk.sync_(model).sites) == 1
    assert model[0] is model[1][0] is norm
    assert norm.act == "relu"
    assert model(images()).min() >= 0


def test_what_is_more_than_batch_norm_is_left_alone_with_the_reason() -> None:
    class Loud(nn.BatchNorm2d):
        def forward(self, input: Tensor) -> Tensor:  # noqa: A002
            return super().forward(input).relu()

    model = nn.Sequential(Loud(3), nk.nn.GhostBatchNorm2d(3), nn.GroupNorm(1, 3))
    surgery = nk.sync_(model)
    assert [site.refused for site in surgery.sites] == [
        "Loud is more than batch normalization",
        "GhostBatchNorm2d is more than batch normalization",
    ]
    assert type(model[0]) is Loud


def test_a_frozen_layer_is_left_alone() -> None:
    model = net()
    nk.freeze_(model)
    assert all(site.done is None for site in nk.sync_(model).sites)


def test_layers_that_are_synchronised_already_are_no_sites() -> None:
    model = net()
    nk.sync_(model)
    assert nk.sync_(model).sites == ()


@pytest.mark.parametrize("back", [False, True], ids=["sync_", "unsync_"])
def test_it_is_taken_back_and_later_training_kept(
    back: bool, remember: Callable[..., Differences]
) -> None:
    model, x = net(), images()
    if back:
        nk.sync_(model)
    differences = remember(model)
    surgery = nk.unsync_(model, x) if back else nk.sync_(model)
    assert differences() != []
    surgery.undo()
    assert differences() == []
    surgery = nk.unsync_(model, x) if back else nk.sync_(model)
    model(x).backward(torch.randn(5, 4, 6, 6))
    SGD(model.parameters(), lr=0.1).step()
    trained = [parameter.clone() for parameter in model.parameters()]
    surgery.undo()
    assert all(torch.equal(a, b) for a, b in zip(trained, model.parameters(), strict=True))


def test_pytorchs_synchronised_layers_come_back_too() -> None:
    model = nn.SyncBatchNorm.convert_sync_batchnorm(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    ).eval()
    x = images()
    wanted = model(x)
    nk.unsync_(model, x)
    assert type(model[1]) is nk.nn.BatchNorm2d
    torch.testing.assert_close(model(x), wanted)
    model.train()(x)


def test_unsync_watches_in_evaluation_mode_where_no_process_waits_for_another() -> None:
    model, modes = nn.Sequential(nk.nn.SyncBatchNorm(3)).train(), list[bool]()
    model[0].register_forward_hook(lambda layer, *_: modes.append(layer.training))
    nk.unsync_(model, images())
    assert set(modes) == {False}
    assert model[0].training


def test_a_layer_that_is_called_by_keyword_tells_its_dimensions_too() -> None:
    class ByKeyword(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nk.nn.SyncBatchNorm(3)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(input=x)

    model = ByKeyword()
    nk.unsync_(model, images())
    assert type(model.norm) is nk.nn.BatchNorm2d


def test_a_layer_that_is_not_called_cannot_tell_its_dimensions() -> None:
    class Aside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unused = nk.nn.SyncBatchNorm(3)

        def forward(self, x: Tensor) -> Tensor:
            return x

    (site,) = nk.unsync_(Aside(), images())
    assert site.refused == "it was not called, and nothing else tells its dimensions"


def test_only_the_chosen_ones_change() -> None:
    model = net()
    nk.sync_(model, where=lambda name, _: name == "1")
    assert [type(model[1]), type(model[3])] == [nk.nn.SyncBatchNorm, nk.nn.BatchNorm2d]


def test_unsync_leaves_no_trace_of_the_pass_that_it_watches(
    remember: Callable[..., Differences],
) -> None:
    model = nn.Sequential(nk.nn.SyncBatchNorm(3), nn.Dropout(), nn.ReLU())
    x = images()
    differences = remember(model)
    nk.unsync_(model, x, where=lambda *_: False)
    assert differences() == []
