"""The networks are torchvision's, and the same over both sets of layers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from networks import LAYERS, NETWORKS
from networks.training import LAYOUTS, Training, batches, network

SIZES = {"resnet50": (25_557_032, 320), "mobilenet_v2": (3_504_872, 314)}
"""Parameters, and entries of the `state_dict`, in torchvision."""

KEYS = {
    "resnet50": [
        *("conv1.weight", "bn1.weight", "layer1.0.downsample.1.running_var"),
        *("layer3.5.bn3.num_batches_tracked", "layer4.2.conv3.weight", "fc.bias"),
    ],
    "mobilenet_v2": [
        *("features.0.0.weight", "features.1.conv.0.1.weight", "features.1.conv.2.running_mean"),
        *("features.17.conv.3.bias", "features.18.1.num_batches_tracked", "classifier.1.bias"),
    ],
}
"""Some of torchvision's."""


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_has_the_parameters_of_torchvisions(name: str, layers: str) -> None:
    with torch.device("meta"):
        model = NETWORKS[name](LAYERS[layers])
    state = model.state_dict()
    assert (sum(p.numel() for p in model.parameters()), len(state)) == SIZES[name]
    assert set(KEYS[name]) <= set(state)


@pytest.mark.parametrize("name", NETWORKS)
def test_both_sets_of_layers_start_from_the_same_weights(name: str) -> None:
    pytorch, normkit = (network(name, layers, "contiguous").state_dict() for layers in LAYERS)
    assert list(pytorch) == list(normkit)
    assert all(torch.equal(value, normkit[key]) for key, value in pytorch.items())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", NETWORKS)
def test_both_sets_of_layers_compute_the_same(name: str, layout: str, dtype: torch.dtype) -> None:
    [(images, labels)] = batches(1, 4, 48, layout)
    assert images.is_contiguous(memory_format=LAYOUTS[layout])
    losses: list[Tensor] = []
    gradients: list[dict[str, Tensor]] = []
    buffers: list[dict[str, Tensor]] = []
    for layers in LAYERS:
        training = Training(network(name, layers, layout).to(dtype), [(images.to(dtype), labels)])
        gradients.append(training.gradients())
        buffers.append(dict(training.model.named_buffers()))
        losses.append(training.forward())
    tight = 1e-9 if dtype == torch.float64 else 1e-4
    torch.testing.assert_close(losses[1], losses[0], rtol=tight, atol=0)
    for key, value in buffers[0].items():
        torch.testing.assert_close(buffers[1][key], value, rtol=tight, atol=tight)
    # Batches this small make a gradient far more sensitive to roundings than the loss is. Where
    # only a shift is passed on to the next norm, the gradient is nothing but roundings.
    far, nothing = (1e-8, 1e-12) if dtype == torch.float64 else (0.05, 1e-4)
    largest = max(value.norm() for value in gradients[0].values())
    for key, value in gradients[0].items():
        difference = (gradients[1][key] - value).norm()
        assert difference <= far * value.norm() + nothing * largest, key


@pytest.mark.parametrize("act", [None, "relu", "relu6"])
@pytest.mark.parametrize("with_residual", [False, True])
@pytest.mark.parametrize("layers", LAYERS)
def test_a_norm_adds_the_residual_and_then_activates(
    layers: str, with_residual: bool, act: str | None
) -> None:
    x, residual = 5 * torch.randn(2, 3, 8, 4, 4)
    before = residual.clone()
    norm = LAYERS[layers](8, act=act)
    expected = F.batch_norm(x, None, None, training=True)
    if with_residual:
        expected = expected + residual
    if act is not None:
        expected = {"relu": F.relu, "relu6": F.relu6}[act](expected)
    y = norm(x, residual=residual if with_residual else None)
    torch.testing.assert_close(y, expected)
    assert torch.equal(residual, before)
