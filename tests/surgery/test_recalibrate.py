"""Running statistics are taken anew from data, as those of the whole population."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

import normkit as nk

Differences = Callable[[], list[str]]

WORKER = Path(__file__).with_name("recalibrate_worker.py")


def population(values: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The mean and the variance of each channel, in float64 and around the mean."""
    flat = values.detach().numpy().astype(np.float64)
    flat = np.moveaxis(flat, 1, 0).reshape(flat.shape[1], -1)
    return flat.mean(1), flat.var(1, ddof=1)


def check(layer: nn.Module, values: Tensor, tolerance: float = 1e-5) -> None:
    mean, variance = population(values)
    np.testing.assert_allclose(layer.running_mean.numpy(), mean, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(layer.running_var.numpy(), variance, rtol=tolerance, atol=tolerance)


NORMS = {
    "PyTorch's": nn.BatchNorm2d,
    "batch": nk.nn.BatchNorm2d,
    "sync_batch": nk.nn.SyncBatchNorm,
    "PyTorch's sync": nn.SyncBatchNorm,
    "batch_renorm": nk.nn.BatchRenorm2d,
}


@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
@pytest.mark.parametrize("sizes", [[37], [16, 16, 5], [1, 35, 1]], ids=str)
def test_they_are_those_of_all_data_with_an_uneven_last_batch(
    norm: Callable[..., nn.Module], sizes: list[int]
) -> None:
    model = nn.Sequential(nn.Conv2d(2, 4, 3), norm(4))
    x = torch.randn(37, 2, 6, 5) * torch.rand(37, 1, 1, 1) * 4 + torch.randn(37, 2, 1, 1)
    (site,) = nk.recalibrate_(model, x.split(sizes))
    check(model[1], model[0](x))
    assert str(site.done).startswith(f"statistics of {len(sizes)} calls; a mean was off by up to")
    assert model[1].num_batches_tracked == len(sizes)
    assert type(model[1]) is norm


def test_the_mean_of_the_batches_would_not_do() -> None:
    # What weighs each batch alike, as a momentum does, is off by more than the tolerance above.
    x = torch.cat([torch.zeros(30, 3), torch.ones(2, 3)]) + torch.randn(32, 3) / 10
    model = nn.Sequential(nk.nn.BatchNorm1d(3, momentum=None))
    for part in x.split([30, 2]):
        model(part)
    alike = model[0].running_mean.clone()
    nk.recalibrate_(model, x.split([30, 2]))
    check(model[0], x)
    assert (alike - model[0].running_mean).abs().min() > 0.3


def test_a_large_mean_does_not_cancel() -> None:
    x = torch.randn(64, 3, 6, 6) + 1000
    model = nn.Sequential(nn.BatchNorm2d(3))
    nk.recalibrate_(model, x.split(24))
    mean, variance = population(x)
    np.testing.assert_allclose(model[0].running_mean.numpy(), mean, rtol=1e-6)
    np.testing.assert_allclose(model[0].running_var.numpy(), variance, rtol=1e-4)
    # What precise batch norm computes: E[x²] − E[x]², in the precision of the statistics.
    squares = torch.stack([part.square().mean((0, 2, 3)) for part in x.split(24)])
    cancelled = squares.mean(0) - x.mean((0, 2, 3)).square()
    assert (cancelled - torch.from_numpy(variance)).abs().max() > 1e-2


def test_a_layer_that_is_called_several_times_sees_all_its_calls() -> None:
    class Reused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(x) + self.norm(self.conv(x) * 3 + 2)

    model = Reused()
    x = torch.randn(20, 2, 5, 5)
    (site,) = nk.recalibrate_(model, x.split(12))
    check(model.norm, torch.cat([x, model.conv(x) * 3 + 2]))
    assert str(site.done).startswith("statistics of 4 calls")


def test_each_norm_sees_what_the_norms_before_it_make_of_a_batch() -> None:
    model = nn.Sequential(nn.BatchNorm1d(3), nn.ReLU(), nn.BatchNorm1d(3))
    x = torch.randn(40, 3) * 5 + 3
    nk.recalibrate_(model, [x])
    check(model[2], ((x - x.mean(0)) / x.std(0, unbiased=False)).relu(), tolerance=1e-4)


def dropping() -> nn.Sequential:
    return nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(4))


def test_dropout_is_off_where_update_bn_has_it_on() -> None:
    x = torch.randn(4000, 4) + 1
    theirs, ours = dropping(), dropping()
    update_bn([x], theirs)
    nk.recalibrate_(ours, [x])
    check(ours[1], x)
    # With half of the values at 0 and half doubled, the variance is 2σ² + μ².
    assert (theirs[1].running_var / ours[1].running_var).min() > 2.1


def test_frozen_layers_stay_where_update_bn_overwrites_them() -> None:
    x = torch.randn(40, 3) + 5
    theirs = nn.Sequential(nn.BatchNorm1d(3), nn.BatchNorm1d(3))
    theirs[0].eval()
    for parameter in theirs[0].parameters():
        parameter.requires_grad_(False)
    update_bn([x], theirs)
    assert theirs[0].running_mean.abs().min() > 4
    ours = nn.Sequential(nn.BatchNorm1d(3), nn.BatchNorm1d(3))
    nk.freeze_(ours, where=lambda name, _: name == "0")
    surgery = nk.recalibrate_(ours, [x])
    assert [site.refused for site in surgery.sites] == ["it is frozen", None]
    assert not ours[0].running_mean.any()
    check(ours[1], x / (1 + 1e-5) ** 0.5)


def test_a_norm_in_evaluation_mode_in_a_model_in_training_mode_stays() -> None:
    x = torch.randn(40, 3) + 5
    model = nn.Sequential(nn.BatchNorm1d(3), nn.BatchNorm1d(3))
    model[0].eval()
    surgery = nk.recalibrate_(model, [x])
    assert surgery.sites[0].refused == "it is in evaluation mode, in a model in training mode"
    assert not model[0].running_mean.any()
    # The next one sees what this one makes of the batch by its own statistics.
    check(model[1], x / (1 + 1e-5) ** 0.5)


def test_in_a_model_in_evaluation_mode_all_are_taken_anew() -> None:
    x = torch.randn(40, 3) + 5
    model = nn.Sequential(nn.BatchNorm1d(3)).eval()
    nk.recalibrate_(model, [x])
    check(model[0], x)
    assert not model[0].training


def test_pytorchs_frozen_statistics_and_norms_without_any_are_no_sites() -> None:
    model = nn.Sequential(
        nn.BatchNorm1d(3, track_running_stats=False), nk.nn.FrozenBatchNorm1d(3), nn.GroupNorm(1, 3)
    )
    assert nk.recalibrate_(model, [torch.randn(5, 3)]).sites == ()


def test_only_the_chosen_ones_are_taken_anew() -> None:
    model = nn.Sequential(nn.BatchNorm1d(3), nn.BatchNorm1d(3))
    surgery = nk.recalibrate_(model, [torch.randn(5, 3) + 1], where=lambda name, _: name == "1")
    assert [site.name for site in surgery.sites] == ["1"]
    assert not model[0].running_mean.any()


def test_a_layer_that_is_not_called_is_told() -> None:
    class Aside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = nn.BatchNorm1d(3), nn.BatchNorm1d(3)

        def forward(self, x: Tensor) -> Tensor:
            return self.used(x)

    surgery = nk.recalibrate_(Aside(), [torch.randn(5, 3)])
    assert [site.refused for site in surgery.sites] == [None, "it was not called"]


def test_a_layer_with_a_forward_pass_of_its_own_is_left_alone() -> None:
    class Loud(nn.BatchNorm1d):
        def forward(self, input: Tensor) -> Tensor:  # noqa: A002
            return super().forward(input).relu()

    model = nn.Sequential(Loud(3))
    (site,) = nk.recalibrate_(model, [torch.randn(5, 3)])
    assert site.refused == "Loud has a forward pass of its own"
    assert not model[0].running_mean.any()


def test_a_batch_that_is_not_finite_does_not_count() -> None:
    x = torch.randn(40, 3) + 5
    model = nn.Sequential(nn.BatchNorm1d(3))
    nk.recalibrate_(model, [x, torch.full((4, 3), torch.nan)])
    check(model[0], x)


@pytest.mark.parametrize(
    "method",
    [name for name, method in nk.catalogue().items() if "num_batches_tracked" in method.state_dict],
)
def test_every_method_that_keeps_statistics_takes_them_anew(method: str) -> None:
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nk.make(method, 4))
    x = torch.randn(24, 2, 6, 6) * 3 + 2
    surgery = nk.recalibrate_(model, x.split(12))
    assert surgery.sites[0].done is not None
    state = {name: value.clone() for name, value in model[1].state_dict().items()}
    again = nk.recalibrate_(model, x.split(12))
    assert "off by up to" not in str(again.sites[0].done) or "0 standard" in str(
        again.sites[0].done
    )
    for name, value in model[1].state_dict().items():
        torch.testing.assert_close(value, state[name])


@pytest.mark.parametrize("norm", [nn.BatchNorm2d, nk.nn.SyncBatchNorm])
def test_a_fused_model_is_recalibrated_as_it_is(norm: Callable[..., nn.Module]) -> None:
    model = nn.Sequential(nn.Conv2d(2, 4, 3), norm(4), nn.ReLU())
    x = torch.randn(20, 2, 6, 6) + 1
    assert len(nk.fuse_(model, x).done) == 1
    nk.recalibrate_(model, x.split(12))
    check(model[1], model[0](x))
    assert type(model[1]).__name__.startswith("Fused")
    assert model(x).min() >= 0


# What it leaves as it was.


def net() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Flatten()
    )


def test_nothing_else_is_changed(remember: Callable[..., Differences]) -> None:
    model = net()
    model[3].eval()
    calls: list[bool] = []
    model[1].register_forward_hook(lambda layer, *_: calls.append(layer.training))
    x = torch.randn(9, 2, 5, 5)
    model(x).backward(torch.randn(9, 36))
    calls.clear()
    differences = remember(model)
    surgery = nk.recalibrate_(model, x.split(5))
    # Each batch in training; the first one in evaluation, before and after.
    assert calls == [True, True, False, False]
    assert {each.partition(" ")[0] for each in differences()} == {
        "1.running_mean",
        "1.running_var",
        "1.num_batches_tracked",
    }
    surgery.undo()
    assert differences() == []


def test_an_exception_in_the_data_leaves_the_model_as_it_was(
    remember: Callable[..., Differences],
) -> None:
    model = net()

    def data() -> Iterator[Tensor]:
        yield torch.randn(5, 2, 5, 5)
        raise RuntimeError("the disk is gone")

    differences = remember(model)
    with pytest.raises(RuntimeError, match="the disk is gone"):
        nk.recalibrate_(model, data())
    assert differences() == []


def test_an_exception_in_the_model_leaves_it_as_it_was(
    remember: Callable[..., Differences],
) -> None:
    model = net()
    data = [torch.randn(5, 2, 5, 5), torch.randn(5, 3, 5, 5)]
    differences = remember(model)
    with pytest.raises(RuntimeError, match="channels"):
        nk.recalibrate_(model, data)
    assert differences() == []


def test_update_bn_leaves_a_model_altered_after_an_exception() -> None:
    model = net().eval()
    with pytest.raises(RuntimeError, match="channels"):
        update_bn([torch.randn(5, 2, 5, 5), torch.randn(5, 3, 5, 5)], model)
    assert model.training
    assert model[1].running_mean.any()


def test_one_value_per_channel_is_an_error_and_changes_nothing(
    remember: Callable[..., Differences],
) -> None:
    model = nn.Sequential(nn.BatchNorm1d(3))
    x = torch.randn(5, 3)
    differences = remember(model)
    with pytest.raises(ValueError, match="more than one value per channel"):
        nk.recalibrate_(model, x.split([4, 1]))
    assert differences() == []


def test_no_batches_are_an_error() -> None:
    with pytest.raises(ValueError, match="of which none came"):
        nk.recalibrate_(net(), [])


def test_a_tensor_in_place_of_batches_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"For a single batch write \[x\]"):
        nk.recalibrate_(net(), torch.randn(5, 2, 5, 5))


def test_a_wrapped_model_is_refused_with_the_fix() -> None:
    with pytest.raises(TypeError, match=r"Give model\.module"):
        nk.recalibrate_(nn.DataParallel(net()), [torch.randn(5, 2, 5, 5)])


def test_it_makes_evaluation_right_again_after_the_weights_have_moved() -> None:
    model, x = net().eval(), torch.randn(30, 2, 5, 5)
    with torch.no_grad():
        model[0].weight.mul_(4)
    stale = copy.deepcopy(model)
    nk.recalibrate_(model, [x])
    normalised = model[1](model[0](x))
    torch.testing.assert_close(normalised.mean((0, 2, 3)), torch.zeros(4), rtol=0, atol=1e-5)
    assert stale[1](stale[0](x)).std() > 1.5


# Several processes.


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    results = tmp_path_factory.mktemp("recalibrate") / "found.json"
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc-per-node", "2", str(WORKER), str(results)),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    checked: dict[str, list[str]] = json.loads(results.read_text(encoding="utf-8"))
    return checked


@pytest.mark.parametrize(
    "check",
    [
        "unequal_numbers_of_batches",
        "one_process_without_a_batch",
        "no_batch_in_any_process",
        "synchronised_layers",
        "large_means",
        "whitening",
        "an_exception_in_one_process",
    ],
)
def test_all_processes_get_the_same(found: dict[str, list[str]], check: str) -> None:
    assert found[check] == []


def test_every_check_is_made(found: dict[str, list[str]]) -> None:
    assert len(found) == 7


def test_it_tells_how_far_outputs_moved_in_evaluation() -> None:
    model, x = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2)), torch.randn(50, 3) * 2 + 5
    plain = copy.deepcopy(model).eval()
    surgery = nk.recalibrate_(model, [(x, None)])
    model.eval()
    with torch.no_grad():
        pairs = [(model(x), plain(x)), (model[0](x), plain[0](x))]
    expected = [float((now - then).abs().max() / then.abs().max()) for now, then in pairs]
    assert surgery.difference == pytest.approx(expected[0], rel=1e-5)
    assert surgery.sites[0].difference == pytest.approx(expected[1], rel=1e-5)


def test_a_norm_that_met_nothing_finite_is_told_and_left() -> None:
    model = nn.Sequential(nn.BatchNorm1d(3))
    (site,) = nk.recalibrate_(model, [torch.full((5, 3), torch.nan)])
    assert (site.done, "some not finite" in str(site.refused)) == (None, True)
    assert int(model[0].num_batches_tracked) == 0
