"""A norm standardises the values along its own axes, and the probe sees that and no more."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from normkit.nn.catalogue import make
from normkit.probes.standardise import histogram, standardisation

AXES = {
    "batch": "batch",
    "layer": "sample",
    "group": "sample",
    "instance": "instance",
    "channel_layer": "position",
}


def layer(name: str) -> nn.Module:
    return make(name, 8, **({"num_groups": 2} if name == "group" else {}))


@pytest.fixture
def images() -> torch.Tensor:
    """Each sample, channel and position with a mean and a scale of its own."""
    torch.manual_seed(0)
    scale = torch.rand(6, 8, 1, 1) * 4 + 1
    shift = torch.randn(6, 8, 1, 1) * 5 + torch.randn(1, 1, 5, 5) * 5
    return torch.randn(6, 8, 5, 5) * scale + shift


def deviation(found: object) -> float:
    means, variances = found.means, found.variances  # type: ignore[attr-defined]
    return max(float(means.abs().max()), float((variances - 1).abs().max()))


@pytest.mark.parametrize("name", AXES)
def test_mean_is_zero_and_variance_one_over_a_norms_own_axes(
    name: str, images: torch.Tensor
) -> None:
    norm = layer(name)
    found = standardisation(norm, norm, images, AXES[name], 2 if name == "group" else 1)
    assert deviation(found) < 1e-3
    assert found.left_out == 0


@pytest.mark.parametrize(
    ("name", "axes"),
    [
        (name, axes)
        for name, own in AXES.items()
        for axes in sorted(set(AXES.values()) - {own})
        # Sets made up of whole standardised maps are standardised too.
        if (name, axes) not in {("instance", "batch"), ("instance", "sample")}
    ],
)
def test_but_not_over_the_axes_of_other_norms(name: str, axes: str, images: torch.Tensor) -> None:
    norm = layer(name)
    assert deviation(standardisation(norm, norm, images, axes, 2)) > 0.05


def test_rms_norm_scales_but_does_not_centre(images: torch.Tensor) -> None:
    norm = layer("rms")
    found = standardisation(norm, norm, images, "position")
    assert float(found.means.abs().max()) > 0.1
    mean_squares = found.variances + found.means.square()
    assert torch.allclose(mean_squares, torch.ones_like(mean_squares), atol=1e-3)


def test_no_norm_does_not_standardise(images: torch.Tensor) -> None:
    norm = layer("none")
    assert deviation(standardisation(norm, norm, images, "batch")) > 0.5


def test_is_measured_before_gamma_beta_and_activation(images: torch.Tensor) -> None:
    norm = make("batch", 8, act="relu")
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    found = standardisation(norm, norm, images, "batch")
    assert deviation(found) < 1e-3
    assert float(found.after.min()) < 0


def test_channels_that_are_constant_are_left_out_and_counted(images: torch.Tensor) -> None:
    norm = layer("batch")
    images[:, [1, 5]] = 3.0
    found = standardisation(norm, norm, images, "batch")
    assert found.left_out == 2
    assert len(found.means) == len(found.variances) == 6
    assert deviation(found) < 1e-3


def test_leaves_parameters_statistics_modes_and_hooks_as_they_were(images: torch.Tensor) -> None:
    model = nn.Sequential(nn.Conv2d(8, 8, 3), make("batch", 8), nn.ReLU()).eval()
    norm = model[1]
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    standardisation(model, norm, images, "batch")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module.training or module._forward_pre_hooks for module in model.modules())
    assert torch.equal(torch.get_rng_state(), random)


def test_sees_what_entered_the_norm_even_if_it_is_overwritten_later() -> None:
    model = nn.Sequential(make("none", 2), nn.ReLU(inplace=True))
    found = standardisation(model, model[0], torch.randn(16, 2, 3, 3), "batch")
    assert float(found.before.min()) < 0


def test_shows_the_channel_that_varies_most(images: torch.Tensor) -> None:
    norm = layer("batch")
    images[:, 3] *= 100
    found = standardisation(norm, norm, images, "batch")
    assert torch.equal(found.before, images[:, 3].flatten())
    assert len(found.after) == len(found.before)


def test_takes_features_without_positions() -> None:
    norm = make("batch", 4, dims=1)
    found = standardisation(norm, norm, torch.randn(32, 4) * 3 + 1, "batch")
    assert deviation(found) < 1e-3


def test_a_norm_that_is_not_called_is_an_error(images: torch.Tensor) -> None:
    with pytest.raises(RuntimeError, match="it was not called"):
        standardisation(nn.Identity(), layer("batch"), images, "batch")


def test_unknown_axes_are_an_error(images: torch.Tensor) -> None:
    norm = layer("batch")
    with pytest.raises(
        ValueError, match="batch, sample, instance, position or trailing; got 'channel'"
    ):
        standardisation(norm, norm, images, "channel")


def test_a_histogram_holds_the_share_of_the_values_in_each_bin() -> None:
    assert histogram(torch.tensor([0.0, 1.0, 3.0, 4.0]), bins=4).shares == [0.25, 0.25, 0.0, 0.5]


def test_a_few_far_values_do_not_widen_a_histogram() -> None:
    near = torch.linspace(-1.0, 1.0, 997)
    found = histogram(torch.cat([near, torch.tensor([-1e6, 1e6, 1e6])]))
    assert -1.0 <= found.low < found.high <= 1.0
    assert sum(found.shares) == pytest.approx(0.99, abs=0.002)


def test_equal_values_share_one_bin() -> None:
    found = histogram(torch.full((10,), 7.0), bins=3)
    assert (found.low, found.high, found.shares) == (6.5, 7.5, [0.0, 1.0, 0.0])


@pytest.mark.parametrize("trailing", [1, 2, 3])
def test_trailing_axes_are_standardised_together(trailing: int) -> None:
    values = 100 * torch.randn(6, 4, 5, 5, generator=torch.Generator().manual_seed(0)) + 50
    norm = nn.LayerNorm(values.shape[-trailing:])
    found = standardisation(norm, norm, values, "trailing", trailing)
    assert len(found.means) == values.shape[:-trailing].numel()
    assert found.means.abs().max() < 1e-5
    assert (found.variances - 1).abs().max() < 1e-3
