"""The layers that a norm can be folded into: what a scale and a shift make of their weights."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from normkit.surgery.derived import own_class

LINEAR = (torch.nn.Linear, _ConvNd)
"""Those, and whatever else is a convolution, such as a lazy one."""

CONVOLUTIONS_AND_LINEAR = (
    torch.nn.Linear,
    torch.nn.Conv1d,
    torch.nn.Conv2d,
    torch.nn.Conv3d,
    torch.nn.ConvTranspose1d,
    torch.nn.ConvTranspose2d,
    torch.nn.ConvTranspose3d,
)
"""PyTorch's classes of convolutions, transposed ones, and fully connected layers."""


class Weights(NamedTuple):
    """New weights of a layer.

    Attributes:
        weight: in float64, of the shape of the layer's.
        bias: in float64, `(C)` of its output.
    """

    weight: Tensor
    bias: Tensor


def objection_to(layer: torch.nn.Module) -> str | None:
    """Why the weights of a layer cannot be exchanged; None where they can.

    >>> objection_to(torch.nn.Conv2d(3, 4, 1)) is None
    True
    """
    cls = own_class(layer)
    known = next((each for each in CONVOLUTIONS_AND_LINEAR if issubclass(cls, each)), None)
    if known is None:
        return f"{cls.__name__} is no convolution or fully connected layer of PyTorch's"
    if "forward" in vars(layer) or any(
        getattr(cls, name, None) is not getattr(known, name, None)
        for name in ("forward", "_conv_forward")
    ):
        return f"{cls.__name__} has a forward pass of its own"
    if not isinstance(layer._parameters.get("weight"), Tensor) or layer._forward_pre_hooks:
        return (
            f"the weight of {cls.__name__} is computed anew at each call: remove the "
            "parametrization, or the hook, first"
        )
    return None


def scaled_outputs(layer: torch.nn.Module, scale: Tensor, shift: Tensor) -> Weights | str:
    """The weights with which a layer computes scale · layer(x) + shift; or why there are none.

    Args:
        layer: for which `objection_to` has no objection.
        scale: one value per channel of its output, in float64.
        shift: the same.
    """
    weight, bias = _of(layer)
    channels = _output_channels(layer)
    if channels != len(scale):
        return f"the norm has {len(scale)} channels, the layer before it {channels}"
    if isinstance(layer, _ConvTransposeNd):
        # (C_in, C_out / G, *): the output channels of a group are those of its input channels.
        grouped = weight.view(layer.groups, -1, *weight.shape[1:])
        by_group = scale.view(layer.groups, 1, -1, *[1] * (weight.ndim - 2))
        scaled = (grouped * by_group).flatten(0, 1)
    else:
        scaled = weight * scale.view(-1, *[1] * (weight.ndim - 1))
    return Weights(scaled, bias * scale + shift)


def scaled_inputs(layer: torch.nn.Module, scale: Tensor, shift: Tensor) -> Weights | str:
    """The weights with which a layer computes layer(scale · x + shift); or why there are none.

    Args:
        layer: for which `objection_to` has no objection.
        scale: one value per channel of its input, in float64.
        shift: the same.
    """
    weight, bias = _of(layer)
    channels = layer.in_features if isinstance(layer, torch.nn.Linear) else layer.in_channels
    if channels != len(scale):
        return f"the norm has {len(scale)} channels, the layer after it takes {channels}"
    if isinstance(layer, torch.nn.Linear):
        return Weights(weight * scale, bias + weight @ shift)
    assert isinstance(layer, _ConvNd)
    if bool((shift != 0).any()):
        if isinstance(layer, _ConvTransposeNd):
            return "a transposed convolution spreads the norm's shift unevenly"
        if _pads_zeros(layer):
            return "the convolution after it pads with zeros, which the norm's shift would move"
    if isinstance(layer, _ConvTransposeNd):
        return Weights(weight * scale.view(-1, *[1] * (weight.ndim - 1)), bias)
    # (C_out, C_in / G, *): each group of outputs reads its own inputs.
    taps = weight.view(layer.groups, -1, *weight.shape[1:])
    by_group = (layer.groups, 1, -1, *[1] * (weight.ndim - 2))
    moved = (taps * shift.view(by_group)).flatten(0, 1).flatten(1).sum(1)
    return Weights((taps * scale.view(by_group)).flatten(0, 1), bias + moved)


def _pads_zeros(layer: _ConvNd) -> bool:
    # As numbers, where the padding is a word too.
    return layer.padding_mode == "zeros" and any(layer._reversed_padding_repeated_twice)


def _of(layer: torch.nn.Module) -> tuple[Tensor, Tensor]:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    weight = weight.detach().double()
    bias = layer.bias
    if isinstance(bias, Tensor):
        return weight, bias.detach().double()
    return weight, weight.new_zeros(_output_channels(layer))


def _output_channels(layer: torch.nn.Module) -> int:
    channels = layer.out_features if isinstance(layer, torch.nn.Linear) else layer.out_channels
    assert isinstance(channels, int)
    return channels
