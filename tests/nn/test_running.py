"""Several micro-batches that count as one."""

from __future__ import annotations

import copy

import pytest
import torch

import normkit as nk
from normkit.nn.running import uncounted
from normkit.testing.problem import without_pytorchs_warnings


def test_the_layers_of_a_whole_model_are_concerned() -> None:
    model = torch.nn.Sequential(
        nk.nn.BatchNorm2d(4), torch.nn.Conv2d(4, 3, 1), nk.nn.BatchNorm2d(3), nk.nn.GroupNorm(1, 3)
    )
    with nk.accumulate(model):
        for _ in range(4):
            model(torch.randn(2, 4, 5, 5))
        assert model[0].num_batches_tracked == 0
    assert model[0].num_batches_tracked == model[2].num_batches_tracked == 1


def test_the_joined_batch_is_what_counts() -> None:
    layer, whole = nk.nn.BatchNorm1d(3, momentum=None), nk.nn.BatchNorm1d(3, momentum=None)
    for _ in range(2):
        x = torch.randn(9, 3) * 2 + torch.arange(9)[:, None]
        with nk.accumulate(layer):
            for part in x.split(4):
                layer(part[:-1] if len(part) == 1 else part)
        whole(x[:8])
    torch.testing.assert_close(layer.state_dict(), whole.state_dict())


def test_instance_norm_takes_the_average_over_all_samples() -> None:
    layer = nk.nn.InstanceNorm1d(3, track_running_stats=True)
    whole = copy.deepcopy(layer)
    x = torch.randn(9, 3, 7) * 2 + torch.arange(9)[:, None, None]
    whole(x)
    with nk.accumulate(layer):
        for part in x.split([4, 2, 3]):
            layer(part)
    torch.testing.assert_close(layer.state_dict(), whole.state_dict())


def test_nothing_counts_where_nothing_came() -> None:
    layer = nk.nn.BatchNorm2d(4)
    before = copy.deepcopy(layer.state_dict())
    with nk.accumulate(layer):
        pass
    with nk.accumulate(layer):
        layer.eval()(torch.randn(2, 4, 3, 3))
    torch.testing.assert_close(layer.state_dict(), before, rtol=0, atol=0)


def test_one_inside_another_is_refused() -> None:
    layer = nk.nn.BatchNorm2d(4)
    with nk.accumulate(layer):
        with pytest.raises(RuntimeError, match="Leave that one first"), nk.accumulate(layer):
            pass
        layer(torch.randn(2, 4, 3, 3))
    assert layer.num_batches_tracked == 1


def test_layers_without_statistics_are_let_be() -> None:
    layer = nk.nn.BatchNorm2d(4, track_running_stats=False)
    with nk.accumulate(layer):
        layer(torch.randn(2, 4, 3, 3))
    assert layer.running_mean is None


def test_it_works_under_compilation() -> None:
    torch._dynamo.reset()
    layer, whole = nk.nn.BatchNorm2d(4), nk.nn.BatchNorm2d(4)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    x = torch.randn(6, 4, 3, 3) + 1
    with without_pytorchs_warnings():
        compiled(x)
        with nk.accumulate(layer):
            for part in x.split(2):
                compiled(part)
        compiled(x)
    for _ in range(3):
        whole(x)
    torch.testing.assert_close(layer.state_dict(), whole.state_dict())


def test_a_copy_made_inside_is_a_layer_of_its_own() -> None:
    layer = nk.nn.BatchNorm2d(4)
    x = torch.randn(2, 4, 3, 3)
    with nk.accumulate(layer):
        layer(x)
        twin = copy.deepcopy(layer)
        twin(x)
        assert twin.num_batches_tracked == 1
        assert layer.num_batches_tracked == 0
    with nk.accumulate(twin):
        pass
    assert layer.num_batches_tracked == 1


def test_a_batch_norm_of_pytorchs_is_told() -> None:
    model = torch.nn.Sequential(nk.nn.BatchNorm2d(4), torch.nn.BatchNorm2d(4))
    with (
        pytest.raises(ValueError, match=r"1, a torch\.nn.*Use the layer of the same name"),
        nk.accumulate(model),
    ):
        pass


def test_uncounted_a_batch_normalises_as_ever_and_moves_nothing() -> None:
    layer, x = nk.nn.BatchNorm2d(4), torch.randn(5, 4, 3, 3) + 2
    twin = copy.deepcopy(layer)
    with uncounted(layer):
        y = layer(x)
    assert torch.equal(y, twin(x))
    assert layer.num_batches_tracked == 0
    assert not layer.running_mean.any()
    layer(x)
    assert torch.equal(layer.running_mean, twin.running_mean)


def test_uncounted_inside_accumulate_the_others_count() -> None:
    layer, x = nk.nn.BatchNorm2d(4), torch.randn(5, 4, 3, 3) + 2
    twin = copy.deepcopy(layer)
    with nk.accumulate(layer):
        layer(x)
        with uncounted(layer):
            layer(x * 9)
    twin(x)
    torch.testing.assert_close(layer.state_dict(), twin.state_dict())


def test_uncounted_after_an_exception_batches_count_again() -> None:
    layer, x = nk.nn.BatchNorm2d(4), torch.randn(5, 4, 3, 3)
    with pytest.raises(ValueError, match="channels"), uncounted(layer):
        layer(torch.randn(5, 3, 3, 3))
    layer(x)
    assert layer.num_batches_tracked == 1


@pytest.mark.parametrize(
    "layer", [nk.nn.BatchNorm2d(4, track_running_stats=False), nk.nn.GroupNorm(2, 4)]
)
def test_uncounted_a_layer_without_statistics_is_as_ever(layer: torch.nn.Module) -> None:
    x = torch.randn(5, 4, 3, 3)
    wanted = layer(x)
    with uncounted(layer):
        assert torch.equal(layer(x), wanted)
