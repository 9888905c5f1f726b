"""Split batch normalization layers: the main split, the auxiliary ones, and what each keeps."""

from __future__ import annotations

import copy

import pytest
import torch

import normkit as nk
from normkit import functional as F
from normkit import nn
from normkit.probes.standardise import standardisation


def with_random_affine(layer: torch.nn.Module) -> torch.nn.Module:
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    return layer


def test_in_training_each_split_is_batch_normalised_by_its_own_layer() -> None:
    layer = with_random_affine(nn.SplitBatchNorm2d(4, num_splits=3))
    alone = [nn.BatchNorm2d(4) for _ in range(3)]
    main = {k: v for k, v in layer.state_dict().items() if not k.startswith("aux_bn")}
    for own, state in zip(alone, [main, *(aux.state_dict() for aux in layer.aux_bn)], strict=True):
        own.load_state_dict(copy.deepcopy(state))
    x = torch.randn(9, 4, 3, 3) * torch.arange(1, 10).reshape(-1, 1, 1, 1)
    expected = [own(part) for own, part in zip(alone, x.split(3), strict=True)]
    torch.testing.assert_close(layer(x), torch.cat(expected))
    for aux, own in zip(layer.aux_bn, alone[1:], strict=True):
        torch.testing.assert_close(aux.state_dict(), own.state_dict())
    torch.testing.assert_close(layer.running_mean, alone[0].running_mean)
    torch.testing.assert_close(layer.running_var, alone[0].running_var)


def test_evaluation_takes_all_samples_by_the_main_split() -> None:
    layer = with_random_affine(nn.SplitBatchNorm2d(4))
    layer(torch.randn(8, 4, 3, 3) * 3 + 1)
    main = nn.BatchNorm2d(4)
    main.load_state_dict(layer.state_dict(), strict=False)
    x = torch.randn(5, 4, 3, 3)
    torch.testing.assert_close(layer.eval()(x), main.eval()(x), rtol=0, atol=0)


def test_with_one_split_it_is_batch_normalization() -> None:
    split, batch = nn.SplitBatchNorm1d(4, num_splits=1), nn.BatchNorm1d(4)
    x = torch.randn(7, 4)
    torch.testing.assert_close(split(x), batch(x))
    torch.testing.assert_close(split.state_dict(), batch.state_dict())


def test_the_keys_are_batch_normalizations_and_those_of_the_auxiliary_layers() -> None:
    batch, split = nn.BatchNorm2d(4), nn.SplitBatchNorm2d(4, num_splits=3)
    assert [k for k in split.state_dict() if not k.startswith("aux_bn.")] == list(
        batch.state_dict()
    )
    assert list(split.aux_bn.state_dict()) == [
        f"{i}.{key}" for i in range(2) for key in batch.state_dict()
    ]
    with_random_affine(batch)
    missing, unexpected = split.load_state_dict(batch.state_dict(), strict=False)
    assert not unexpected
    assert all(key.startswith("aux_bn.") for key in missing)
    assert torch.equal(split.weight, batch.weight)


@pytest.mark.parametrize(
    ("samples", "splits", "sizes"), [(5, 2, [2, 3]), (7, 3, [2, 2, 3]), (8, 3, [2, 3, 3])]
)
def test_what_is_left_over_makes_the_last_splits_larger(
    samples: int, splits: int, sizes: list[int]
) -> None:
    x = torch.randn(samples, 4, 3)
    expected = [F.batch_norm(part, None, None, training=True) for part in x.split(sizes)]
    torch.testing.assert_close(nn.SplitBatchNorm1d(4, num_splits=splits)(x), torch.cat(expected))


@pytest.mark.parametrize(("clean", "adversarial"), [(4, 4), (4, 5), (5, 4)])
def test_no_adversarial_sample_comes_into_the_main_split(clean: int, adversarial: int) -> None:
    layer = nn.SplitBatchNorm1d(4)
    layer(torch.cat([torch.zeros(clean, 4), torch.ones(adversarial, 4)]))
    assert (layer.running_mean == 0).all()


def test_no_statistics_move_where_one_split_is_not_finite() -> None:
    layer = nn.SplitBatchNorm1d(4)
    before = copy.deepcopy(layer.state_dict())
    for sample in (0, 5):
        x = torch.randn(6, 4)
        x[sample, 0] = torch.nan
        layer(x)
        torch.testing.assert_close(layer.state_dict(), before, rtol=0, atol=0)


def test_micro_batches_count_as_one_in_every_split() -> None:
    layer, whole = nn.SplitBatchNorm1d(4), nn.SplitBatchNorm1d(4)
    clean, adversarial = torch.randn(8, 4), torch.randn(8, 4) * 3 + 1
    whole(torch.cat([clean, adversarial]))
    with nk.accumulate(layer):
        for parts in zip(clean.split(4), adversarial.split(4), strict=True):
            layer(torch.cat(parts))
    torch.testing.assert_close(layer.state_dict(), whole.state_dict())


def test_a_split_of_which_a_mask_keeps_one_value_counts_in_none_of_its_own_statistics() -> None:
    layer = nn.SplitBatchNorm1d(4)
    x = torch.randn(6, 4)
    layer(x, mask=torch.tensor([True, True, False, False, True, False]))
    torch.testing.assert_close(layer.running_mean, 0.1 * x[:2].mean(0))
    assert layer.num_batches_tracked == 1
    assert layer.aux_bn[0].num_batches_tracked == 0


def test_statistics_that_are_not_tracked_do_not_move() -> None:
    layer = nn.SplitBatchNorm1d(4)
    before = copy.deepcopy(layer.state_dict())
    layer.track_running_stats = False
    layer(torch.randn(6, 4))
    torch.testing.assert_close(layer.state_dict(), before, rtol=0, atol=0)


def test_without_running_statistics_evaluation_uses_the_whole_batch() -> None:
    layer = with_random_affine(nn.SplitBatchNorm2d(4, track_running_stats=False)).eval()
    x = torch.randn(5, 4, 3, 3)
    expected = F.batch_norm(x, None, None, layer.weight, layer.bias, training=True)
    torch.testing.assert_close(layer(x), expected)


def test_the_bias_alone_can_be_left_out_of_every_split() -> None:
    layer = nn.SplitBatchNorm2d(4, bias=False)
    assert [name for name, _ in layer.named_parameters()] == ["weight", "aux_bn.0.weight"]
    assert layer(torch.randn(4, 4, 3, 3)).shape == (4, 4, 3, 3)


def test_resetting_resets_every_split() -> None:
    layer = with_random_affine(nn.SplitBatchNorm1d(4))
    layer(torch.randn(6, 4))
    layer.reset_parameters()
    torch.testing.assert_close(layer.state_dict(), nn.SplitBatchNorm1d(4).state_dict())


def test_the_function_moves_the_statistics_as_the_layer_does() -> None:
    layer = with_random_affine(nn.SplitBatchNorm1d(4))
    x = torch.randn(7, 4)
    mean, variance = torch.zeros(2, 4), torch.ones(2, 4)  # Rows stand for a list of vectors.
    weight = [layer.weight, layer.aux_bn[0].weight]
    bias = [layer.bias, layer.aux_bn[0].bias]
    y = F.split_batch_norm(x, mean, variance, weight, bias, training=True)
    torch.testing.assert_close(y, layer(x), rtol=0, atol=0)
    torch.testing.assert_close(mean[0], layer.running_mean, rtol=0, atol=0)
    torch.testing.assert_close(variance[1], layer.aux_bn[0].running_var, rtol=0, atol=0)
    z = F.split_batch_norm(x, mean, variance, weight, bias)
    torch.testing.assert_close(z, layer.eval()(x), rtol=0, atol=0)


def test_fewer_samples_than_splits_are_refused_and_not_counted() -> None:
    layer = nn.SplitBatchNorm2d(4, num_splits=3)
    with pytest.raises(ValueError, match=r"a sample for each split.*num_splits=3.*drop_last"):
        layer(torch.randn(2, 4, 3, 3))
    assert layer.num_batches_tracked == layer.aux_bn[0].num_batches_tracked == 0


def test_one_value_per_channel_and_split_is_refused() -> None:
    with pytest.raises(ValueError, match=r"more than one value per channel and split"):
        nn.SplitBatchNorm1d(4)(torch.randn(3, 4))


def test_no_split_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match=r"num_splits is .*got 0"):
        nn.SplitBatchNorm2d(4, num_splits=0)


def test_not_one_vector_for_each_split_is_refused() -> None:
    with pytest.raises(ValueError, match=r"weight must hold one vector for each split.*got 1"):
        F.split_batch_norm(torch.randn(6, 4), None, None, [torch.ones(4)], training=True)
    with pytest.raises(ValueError, match=r"bias\[1\] has shape \(3,\)"):
        F.split_batch_norm(
            torch.randn(6, 4), None, None, None, [torch.ones(4), torch.ones(3)], training=True
        )


def test_the_number_of_splits_is_shown() -> None:
    assert "num_splits=3" in repr(nn.SplitBatchNorm2d(4, num_splits=3))


def test_a_study_sees_the_values_before_the_affine_of_every_split() -> None:
    layer = with_random_affine(nn.SplitBatchNorm2d(4))
    found = standardisation(layer, layer, torch.randn(6, 4, 5, 5) * 3 + 1, "batch")
    torch.testing.assert_close(found.variances, torch.ones_like(found.variances), rtol=1e-4, atol=0)
