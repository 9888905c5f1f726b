"""Global response normalization."""

from __future__ import annotations

import torch
from torch import Tensor

from normkit.functional.activation import Activation, finish
from normkit.functional.checks import check_input, check_mask, check_per_channel
from normkit.functional.statistics import at_least_float32, in_precision_of, per_channel


def global_response_norm(
    input: Tensor,  # noqa: A002
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-6,
    *,
    act: Activation = None,
    residual: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Scales each channel of each sample by its response, against the mean one of all channels.

    y = act(γ · x · G / (mean(G) + ε) + β + x + residual), with G = √(Σ x²) per sample and channel
    over `(*)`, its mean over `(C)`, and γ and β per channel. The input is part of the method, and
    is added whether or not there is a residual.

    Args:
        input: `(N, C, *)`.
        weight: γ, `(C)`, or None for 1.
        bias: β, `(C)`, or None for 0.
        eps: ε, added to the mean of G.
        act: the activation: None, a name, or a module or function.
        residual: added before the activation, of the shape of `input`.
        mask: True where a value counts, `(N)`, `(N, *)` or `(N, 1, *)`; the others are scaled
            too, but left out of G. None counts all.

    Returns:
        `(N, C, *)`, in the dtype and memory format of `input`.

    Raises:
        ValueError: a vector that does not have C values; a residual of another shape.

    >>> global_response_norm(torch.tensor([[1.0, 3.0]]))  # G is 1 and 3, and 2 in the mean.
    tensor([[1.5000, 7.5000]])

    Paper: Woo et al., "ConvNeXt V2: Co-designing and Scaling ConvNets with Masked Autoencoders",
    2023, https://arxiv.org/abs/2301.00808
    """
    check_input("global_response_norm", input)
    check_per_channel("global_response_norm", input.shape[1], weight=weight, bias=bias)
    kept = check_mask("global_response_norm", mask, input)
    x = at_least_float32(input, kept)
    counted = x if kept is None else torch.where(kept, x, 0.0)
    square = counted * counted
    if x.ndim > 2:
        square = square.sum(tuple(range(2, x.ndim)), keepdim=True)
    response = _root(square)
    scale = response / (response.mean(1, keepdim=True) + eps)
    gamma, beta = per_channel(weight, x), per_channel(bias, x)
    y = x * (1 + (scale if gamma is None else scale * gamma))
    return finish(in_precision_of(input, y if beta is None else y + beta), act, residual)


def _root(square: Tensor) -> Tensor:
    """√, with a derivative of 0 at 0, where a channel that is 0 everywhere would give 0 · ∞."""
    positive = square > 0
    return torch.where(positive, torch.where(positive, square, 1.0).sqrt(), 0.0)
