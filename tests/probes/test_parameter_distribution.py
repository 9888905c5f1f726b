"""Weights are measured as they are; a layer's stretch is that of its folded linear map."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from normkit.probes.parameter_distribution import folded_spectral_norms, weights


def test_the_norm_and_the_spread_are_those_of_the_weight(net) -> None:
    first, last = weights([net[0], net[4]])
    assert first.norm == pytest.approx(net[0].weight.norm().item())
    assert last.deviation == pytest.approx(net[4].weight.std(correction=0).item())


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(2, 3, 3, padding=1),
        nn.Conv2d(2, 4, 3, stride=2, padding=1),
        nn.Conv2d(4, 4, 3, groups=2, dilation=2),
        nn.ConvTranspose2d(2, 3, 3, stride=2),
    ],
    ids=["padded", "strided", "grouped", "transposed"],
)
def test_a_convolution_is_taken_as_the_matrix_that_it_is(layer: nn.Module) -> None:
    torch.manual_seed(0)
    layer.reset_parameters()
    x = torch.randn(2, layer.in_channels, 7, 7)
    shape = x.shape[1:]

    def linear_part(flat: torch.Tensor) -> torch.Tensor:
        image = flat.view(1, *shape)
        return (layer(image) - layer(torch.zeros_like(image))).flatten()

    matrix = torch.func.jacrev(linear_part)(torch.zeros(x[0].numel()))
    expected = torch.linalg.matrix_norm(matrix, 2).item()
    assert folded_spectral_norms(layer, [(layer, None)], x) == [pytest.approx(expected, rel=0.02)]


def test_a_linear_layer_has_its_largest_singular_value() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(6, 5)
    expected = torch.linalg.matrix_norm(layer.weight.detach(), 2).item()
    found = folded_spectral_norms(layer, [(layer, nn.Identity())], torch.randn(3, 6))
    assert found == [pytest.approx(expected, rel=0.02)]


def test_batch_norm_is_folded_as_evaluation_has_it() -> None:
    torch.manual_seed(0)
    linear, norm = nn.Linear(6, 5), nn.BatchNorm1d(5)
    nn.init.normal_(norm.weight)
    norm.running_var.uniform_(0.1, 5)
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    expected = torch.linalg.matrix_norm(scale[:, None] * linear.weight, 2).item()
    found = folded_spectral_norms(nn.Sequential(linear, norm), [(linear, norm)], torch.randn(3, 6))
    assert found == [pytest.approx(expected, rel=0.02)]


def test_a_norm_without_running_statistics_cannot_be_folded(batch) -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4))
    assert folded_spectral_norms(model, [(model[0], model[1])], batch[0]) == [None]


def test_the_model_is_as_it_was(net, batch, untouched) -> None:
    with untouched(net):
        folded_spectral_norms(net, [(net[0], net[1]), (net[4], None)], batch[0])


def test_a_weight_of_zeros_stretches_nothing(batch) -> None:
    layer = nn.Conv2d(1, 2, 3)
    nn.init.zeros_(layer.weight)
    assert folded_spectral_norms(layer, [(layer, None)], batch[0]) == [0.0]


def test_a_layer_that_is_not_called_is_told(net, batch) -> None:
    with pytest.raises(RuntimeError, match="not called"):
        folded_spectral_norms(net, [(nn.Linear(2, 2), None)], batch[0])
