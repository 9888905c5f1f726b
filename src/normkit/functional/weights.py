"""The weights of a convolution or linear layer by output channel, and what they may be."""

from __future__ import annotations

from torch import Tensor

from normkit.functional.statistics import centred_moments, value_count


def check_weight(function: str, weight: Tensor) -> None:
    """Raises unless `weight` is a floating-point tensor with an axis of outputs and another."""
    if not weight.is_floating_point():
        raise TypeError(
            f"{function} takes a floating-point weight; got {weight.dtype}. "
            "Convert it: weight.float()."
        )
    if weight.ndim < 2:
        raise ValueError(
            f"{function} takes the weight of a convolution or linear layer, which has an axis of "
            f"outputs and one of inputs; got {tuple(weight.shape)}. Leave biases and gains out."
        )


def by_output(
    function: str, weight: Tensor, transposed: bool, groups: int
) -> tuple[Tensor, tuple[int, ...]]:
    """A weight in a shape whose other axes are the outputs, and the axes of one output's inputs.

    A convolution's weight is `(C_out, C_in / G, *)` and stays. One of a transposed convolution is
    `(C_in, C_out / G, *)`, and becomes `(G, C_in / G, C_out / G, *)`: an output channel meets the
    input channels of its own group alone.

    Raises:
        ValueError: the groups do not divide the input channels; an output has one single input.

    >>> import torch
    >>> weight = torch.zeros(6, 4, 3, 3)
    >>> grouped, inputs = by_output("f", weight, transposed=True, groups=2)
    >>> grouped.shape, inputs
    (torch.Size([2, 3, 4, 3, 3]), (1, 3, 4))
    """
    check_weight(function, weight)
    if not transposed:
        inputs = tuple(range(1, weight.ndim))
    else:
        if groups < 1 or weight.shape[0] % groups:
            raise ValueError(
                f"{function}: the input channels of a transposed convolution must be divisible by "
                f"groups; got a weight of shape {tuple(weight.shape)} and groups={groups}. "
                "Give the groups of the layer."
            )
        weight = weight.reshape(groups, -1, *weight.shape[1:])
        inputs = (1, *range(3, weight.ndim))
    if value_count(weight, inputs) == 1:
        raise ValueError(
            f"{function} needs more than one weight per output channel: standardised against "
            f"itself a weight is always zero; got {tuple(weight.shape)}. Leave out depthwise "
            "convolutions of one position and layers with one input."
        )
    return weight, inputs


def centred_by_output(
    function: str, weight: Tensor, transposed: bool, groups: int
) -> tuple[Tensor, Tensor, int]:
    """The weights minus their mean per output channel, the biased variance, and the fan-in.

    The first two have the axes that `by_output` gives.
    """
    grouped, inputs = by_output(function, weight, transposed, groups)
    centred, _, variance = centred_moments(grouped, inputs)
    return centred, variance, value_count(grouped, inputs)
