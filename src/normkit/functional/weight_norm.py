"""Weight normalization."""

from __future__ import annotations

import torch
from torch import Tensor

from normkit.functional.statistics import at_least_float32, in_precision_of
from normkit.functional.weights import check_weight


def weight_norm(v: Tensor, g: Tensor, dim: int | None = 0) -> Tensor:
    """Gives weights the length g and the direction of v.

    w = g · v / ‖v‖, with one length for each index of the axis `dim`, or one for all. Where v is
    zero, and has no direction, w is zero.

    Args:
        v: `(C_out, C_in / G, *)`, the weight of a convolution or linear layer.
        g: the lengths, in a shape that meets `v`, as `weight_lengths` gives them.
        dim: the axis that keeps a length of its own for each index; None or −1, as in PyTorch,
            one length for the whole weight.

    Returns:
        w, in the shape, dtype and memory format of `v`.

    Raises:
        TypeError: a weight that is not floating-point.
        ValueError: a weight with fewer than two axes; an axis that it does not have; lengths of
            another shape.

    >>> w = weight_norm(torch.randn(16, 8, 3, 3), g=torch.full((16, 1, 1, 1), 2.0))
    >>> torch.allclose(w.square().sum((1, 2, 3)), torch.full((16,), 4.0))
    True

    Paper: Salimans and Kingma, "Weight Normalization", 2016, https://arxiv.org/abs/1602.07868
    """
    x = at_least_float32(v)
    length = weight_lengths(x, dim)
    if g.shape != length.shape:
        raise ValueError(
            f"weight_norm: g must have the shape {tuple(length.shape)} for a weight of shape "
            f"{tuple(v.shape)} and dim={dim}; got {tuple(g.shape)}. Take it from "
            "weight_lengths(v, dim)."
        )
    scale = in_precision_of(x, g) / torch.where(length > 0, length, 1.0)
    return in_precision_of(v, x * scale)


def weight_lengths(weight: Tensor, dim: int | None = 0) -> Tensor:
    """‖w‖ for each index of the axis `dim`, or of the whole weight, in the precision of `weight`.

    Args:
        weight: `(C_out, C_in / G, *)`.
        dim: the axis that keeps its size, the others have size 1; None or −1 gives a number.

    Raises:
        TypeError: a weight that is not floating-point.
        ValueError: a weight with fewer than two axes; an axis that it does not have.

    >>> weight_lengths(torch.tensor([[3.0, 4.0], [0.0, 2.0]]))
    tensor([[5.],
            [2.]])
    """
    check_weight("weight_norm", weight)
    if dim is None or dim == -1:
        return in_precision_of(weight, torch.linalg.vector_norm(at_least_float32(weight)))
    if not 0 <= dim < weight.ndim:
        raise ValueError(
            f"weight_norm: dim must be an axis of the weight, from 0 to {weight.ndim - 1}, or None "
            f"for one length in all; got {dim} for a weight of shape {tuple(weight.shape)}."
        )
    others = [axis for axis in range(weight.ndim) if axis != dim]
    length = torch.linalg.vector_norm(at_least_float32(weight), dim=others, keepdim=True)
    return in_precision_of(weight, length)
