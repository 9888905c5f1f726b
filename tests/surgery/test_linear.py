"""What a scale and a shift make of the weights of a layer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

import normkit as nk
from normkit.surgery.linear import Weights, objection_to, scaled_inputs, scaled_outputs

LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "Linear": (lambda: nn.Linear(4, 6), (3, 4)),
    "Linear without bias": (lambda: nn.Linear(4, 6, bias=False), (3, 4)),
    "Conv1d": (lambda: nn.Conv1d(4, 6, 3), (2, 4, 7)),
    "Conv2d": (lambda: nn.Conv2d(4, 6, (2, 3), stride=2, dilation=2), (2, 4, 7, 8)),
    "Conv2d in groups": (lambda: nn.Conv2d(4, 6, 3, groups=2, bias=False), (2, 4, 5, 4)),
    "Conv2d depthwise": (lambda: nn.Conv2d(4, 8, 3, groups=4), (2, 4, 5, 4)),
    "Conv3d": (lambda: nn.Conv3d(4, 6, 2), (2, 4, 3, 2, 3)),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(4, 6, 3), (2, 4, 7)),
    "ConvTranspose2d": (
        lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2, output_padding=1),
        (2, 4, 5, 4),
    ),
    "ConvTranspose3d": (lambda: nn.ConvTranspose3d(4, 8, 2, groups=4), (2, 4, 3, 2, 3)),
}


def along_channels(values: Tensor, like: Tensor) -> Tensor:
    return values.view(1, -1, *[1] * (like.ndim - 2))


def put(layer: nn.Module, new: Weights | str) -> nn.Module:
    assert not isinstance(new, str), new
    layer.weight = nn.Parameter(new.weight)
    layer.bias = nn.Parameter(new.bias)
    return layer


@pytest.mark.parametrize(("make", "shape"), LAYERS.values(), ids=LAYERS)
def test_the_outputs_are_scaled_and_shifted(
    make: Callable[[], nn.Module], shape: tuple[int, ...]
) -> None:
    layer, x = make().double(), torch.randn(shape, dtype=torch.float64)
    y = layer(x)
    scale, shift = torch.randn(2, y.shape[1], dtype=torch.float64)
    expected = along_channels(scale, y) * y + along_channels(shift, y)
    torch.testing.assert_close(put(layer, scaled_outputs(layer, scale, shift))(x), expected)


@pytest.mark.parametrize(("make", "shape"), LAYERS.values(), ids=LAYERS)
def test_the_inputs_are_scaled_and_shifted(
    make: Callable[[], nn.Module], shape: tuple[int, ...]
) -> None:
    layer, x = make().double(), torch.randn(shape, dtype=torch.float64)
    scale, shift = torch.randn(2, 4, dtype=torch.float64)
    if "Transpose" in type(layer).__name__:
        assert "unevenly" in str(scaled_inputs(layer, scale, shift))
        shift = torch.zeros_like(shift)
    expected = layer(along_channels(scale, x) * x + along_channels(shift, x))
    torch.testing.assert_close(put(layer, scaled_inputs(layer, scale, shift))(x), expected)


def test_single_precision_weights_are_computed_in_double() -> None:
    layer = nn.Conv2d(4, 6, 3).half()
    for compute, channels in ((scaled_outputs, 6), (scaled_inputs, 4)):
        new = compute(layer, *torch.randn(2, channels, dtype=torch.float64))
        assert isinstance(new, Weights)
        assert {each.dtype for each in new} == {torch.float64}
        assert not any(each.requires_grad for each in new)


@pytest.mark.parametrize("compute", [scaled_outputs, scaled_inputs])
def test_another_number_of_channels_is_refused(compute: Callable[..., Weights | str]) -> None:
    scale, shift = torch.ones(2, 5, dtype=torch.float64)
    for layer in (nn.Linear(4, 6), nn.Conv2d(4, 6, 1), nn.ConvTranspose1d(4, 6, 1)):
        assert "the norm has 5 channels" in str(compute(layer, scale, shift))


@pytest.mark.parametrize(
    ("options", "pads"),
    [
        ({"padding": 1}, True),
        ({"padding": (0, 1)}, True),
        ({"padding": "same"}, True),
        ({"padding": "valid"}, False),
        ({"padding": 1, "padding_mode": "circular"}, False),
        ({"padding": 0, "padding_mode": "zeros"}, False),
    ],
    ids=str,
)
def test_a_shift_does_not_go_past_zeros(options: dict[str, object], pads: bool) -> None:
    layer = nn.Conv2d(4, 6, 3, **options)  # type: ignore[arg-type]
    one, zero = torch.ones(4, dtype=torch.float64), torch.zeros(4, dtype=torch.float64)
    assert isinstance(scaled_inputs(layer, one, one), str) is pads
    assert isinstance(scaled_inputs(layer, one, zero), Weights)


class OwnForward(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * 2


class OwnConvolution(nn.Conv2d):
    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return super()._conv_forward(x, weight * 2, bias)


class OnlyAName(nn.Conv2d):
    pass


def with_a_hook() -> nn.Module:
    layer = nn.Conv2d(4, 6, 1)
    layer.register_forward_pre_hook(lambda *_: None)
    return layer


def patched() -> nn.Module:
    layer = nn.Conv2d(4, 6, 1)
    layer.forward = lambda x: x * 2  # type: ignore[method-assign]
    return layer


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "a forward": (lambda: OwnForward(4, 6, 1), "OwnForward has a forward pass of its own"),
    "a convolution": (lambda: OwnConvolution(4, 6, 1), "has a forward pass of its own"),
    "patched": (patched, "Conv2d has a forward pass of its own"),
    "weight_norm": (lambda: parametrizations.weight_norm(nn.Linear(4, 6)), "parametrization"),
    "spectral_norm": (lambda: parametrizations.spectral_norm(nn.Linear(4, 6)), "computed anew"),
    "normkit's": (lambda: nk.nn.weight_standardization(nn.Conv2d(4, 6, 1)), "computed anew"),
    "a hook": (with_a_hook, "or the hook, first"),
    "another layer": (lambda: nn.Bilinear(4, 4, 6), "Bilinear is no convolution"),
}


@pytest.mark.parametrize(("make", "reason"), REFUSED.values(), ids=REFUSED)
def test_weights_that_are_not_all_there_is_are_refused(
    make: Callable[[], nn.Module], reason: str
) -> None:
    assert reason in str(objection_to(make()))


@pytest.mark.parametrize(("make", "_"), LAYERS.values(), ids=LAYERS)
def test_layers_of_pytorch_are_plain(make: Callable[[], nn.Module], _: object) -> None:
    assert objection_to(make()) is None


def test_a_subclass_that_changes_nothing_is_plain() -> None:
    assert objection_to(OnlyAName(4, 6, 1)) is None
