"""What a formula may be given. Each error states the rule, what came, and the likely fix."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def check_input(function: str, x: Tensor) -> None:
    """Raises unless `x` is a floating-point tensor of shape `(N, C, *)`."""
    if not x.is_floating_point():
        raise TypeError(
            f"{function} takes a floating-point tensor; got {x.dtype}. Convert it: x.float()."
        )
    if x.ndim < 2:
        raise ValueError(
            f"{function} takes a tensor of shape (N, C, *); got {tuple(x.shape)}. "
            "Add the batch dimension: x.unsqueeze(0)."
        )


def check_per_channel(function: str, channels: int, **vectors: Tensor | None) -> None:
    """Raises unless each vector that is given has one value per channel."""
    for name, vector in vectors.items():
        if vector is not None and vector.shape != (channels,):
            raise ValueError(
                f"{function}: {name} must hold one value per channel; the input has {channels} "
                f"channels on axis 1, {name} has shape {tuple(vector.shape)}. "
                "Make the layer for the number of channels that reaches it."
            )


def check_channels(layer: str, x: Tensor, channels: int) -> None:
    """Raises unless `x` has the number of channels that a layer was made for."""
    if x.ndim > 1 and x.shape[1] != channels:
        raise ValueError(
            f"{layer} was made for {channels} channels; the input has {x.shape[1]} channels on "
            f"axis 1, of the shape {tuple(x.shape)}. Make the layer for the number of channels "
            "that reaches it."
        )


def check_several(function: str, count: int, x: Tensor, per: str, fix: str) -> None:
    """Raises if a statistic would be taken over one single value."""
    if count == 1:
        raise ValueError(
            f"{function} needs more than one value per {per}: standardised against itself a "
            f"value is always zero; got one, from an input of shape {tuple(x.shape)}. {fix}"
        )


def is_whole(value: object, at_least: int) -> bool:
    """Whether a number is whole and not too small.

    >>> is_whole(2, at_least=1), is_whole(2.0, at_least=1), is_whole(0, at_least=1)
    (True, False, False)
    """
    return isinstance(value, int) and not isinstance(value, bool) and value >= at_least


def check_mask(function: str, mask: Tensor | None, x: Tensor) -> Tensor | None:
    """A mask in the shape `(N, 1, *)`, which meets `(N, C, *)`.

    Raises unless it is None, or boolean and one value per sample, `(N)`, or per position,
    `(N, *)` or `(N, 1, *)`.
    """
    if mask is None:
        return None
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        came = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise TypeError(
            f"{function}: mask must be a boolean tensor, True where a value counts; got {came}. "
            "Convert it: mask.bool(), or torch.tensor(mask)."
        )
    samples, _, *positions = x.shape
    shapes = {
        (samples,): (samples, *(1,) * (x.ndim - 1)),
        (samples, *positions): (samples, 1, *positions),
        (samples, 1, *positions): (samples, 1, *positions),
    }
    shape = shapes.get(tuple(mask.shape))
    if shape is None:
        allowed = " or ".join(dict.fromkeys(map(str, shapes)))
        raise ValueError(
            f"{function}: mask must hold one value per sample or per position, {allowed} for an "
            f"input of shape {tuple(x.shape)}; got {tuple(mask.shape)}. All channels of a "
            "position are kept or left out together."
        )
    return mask.reshape(shape).expand(samples, 1, *positions)


def check_trailing(
    function: str, x: Tensor, normalized_shape: Sequence[int], **tensors: Tensor | None
) -> None:
    """Raises unless `x` ends in `normalized_shape` and each tensor that is given has that shape."""
    if not x.is_floating_point():
        raise TypeError(
            f"{function} takes a floating-point tensor; got {x.dtype}. Convert it: x.float()."
        )
    shape = tuple(normalized_shape)
    if not shape or tuple(x.shape[-len(shape) :]) != shape:
        raise ValueError(
            f"{function}: the trailing dimensions of the input must be normalized_shape={shape}; "
            f"got an input of shape {tuple(x.shape)}. To normalise over the channels of "
            "(N, C, *) at each position use the function or layer for channels."
        )
    for name, tensor in tensors.items():
        if tensor is not None and tuple(tensor.shape) != shape:
            raise ValueError(
                f"{function}: {name} must have the shape normalized_shape={shape}; "
                f"got {tuple(tensor.shape)}."
            )


_POSITIONS = {1: "L", 2: "H, W", 3: "D, H, W"}


def check_rank(layer: str, x: Tensor, spatial: int) -> None:
    """Raises unless `x` has a batch axis, a channel axis and `spatial` axes of positions.

    With one axis of positions it may be absent: `(N, C)`.
    """
    if x.ndim != spatial + 2 and not (spatial == 1 and x.ndim == 2):
        shapes = ("(N, C) or " if spatial == 1 else "") + f"(N, C, {_POSITIONS[spatial]})"
        raise ValueError(_rank_message(layer, x, shapes))


def check_rank_unbatched(layer: str, x: Tensor, spatial: int) -> None:
    """Raises unless `x` has a channel axis and `spatial` axes of positions; a batch axis may be."""
    if x.ndim not in (spatial + 1, spatial + 2):
        positions = _POSITIONS[spatial]
        raise ValueError(_rank_message(layer, x, f"(N, C, {positions}) or (C, {positions})"))


def _rank_message(layer: str, x: Tensor, shapes: str) -> str:
    return (
        f"{layer} takes an input of shape {shapes}; got {tuple(x.shape)}. "
        "Use the layer of the same name that ends in the number of axes of positions, "
        "or add the missing axis."
    )
