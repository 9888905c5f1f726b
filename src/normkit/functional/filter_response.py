"""Filter response normalization, and the thresholded linear unit that belongs to it."""

from __future__ import annotations

import torch
from torch import Tensor

from normkit.functional.activation import Activation, finish
from normkit.functional.checks import check_input, check_mask, check_per_channel
from normkit.functional.statistics import (
    at_least_float32,
    in_precision_of,
    mean_square,
    per_channel,
    scale_and_shift,
)


def filter_response_norm(
    input: Tensor,  # noqa: A002
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    threshold: Tensor | None = None,
    eps: float = 1e-6,
    learned_eps: Tensor | None = None,
    *,
    act: Activation = None,
    residual: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Divides each channel of each sample by its root mean square, then cuts off from below.

    y = act(max(γ · x / √(mean(x²) + |ε|) + β, τ) + residual), with the mean over all positions.
    Nothing is subtracted, so that the threshold τ takes the place of an activation.

    Args:
        input: `(N, C, *)`.
        weight: γ, `(C)` or None.
        bias: β, `(C)` or None.
        threshold: τ, `(C)`; None cuts nothing off.
        eps: ε, added to the mean square.
        learned_eps: `(C)` or None; its magnitude is added to ε. Where a channel has few positions
            the mean square is hardly more than x², and without it y hardly more than a sign.
        act: a further activation: None, a name, or a module or function.
        residual: added before that, of the shape of `input`.
        mask: True where a value counts; see `batch_norm`.

    Returns:
        `(N, C, *)`, in the dtype and memory format of `input`.

    Raises:
        ValueError: a vector that does not have C values; a residual of another shape.

    >>> y = filter_response_norm(torch.randn(8, 4, 5, 5) * 3 + 1)
    >>> torch.allclose(y.square().mean((2, 3)), torch.ones(8, 4), atol=1e-4)
    True

    Paper: Singh and Krishnan, "Filter Response Normalization Layer", 2019,
    https://arxiv.org/abs/1911.09737
    """
    check_input("filter_response_norm", input)
    check_per_channel(
        "filter_response_norm",
        input.shape[1],
        weight=weight,
        bias=bias,
        threshold=threshold,
        learned_eps=learned_eps,
    )
    kept = check_mask("filter_response_norm", mask, input)
    x = at_least_float32(input, kept)
    square = mean_square(x, tuple(range(2, x.ndim)), kept=kept) + abs(eps)
    more = per_channel(learned_eps, x)
    if more is not None:
        square = square + more.abs()
    scale = torch.rsqrt(square)
    gamma = per_channel(weight, x)
    if gamma is not None:
        scale = scale * gamma
    y = scale_and_shift(x, scale, per_channel(bias, x))
    tau = per_channel(threshold, x)
    if tau is not None:
        y = torch.maximum(y, tau)
    return finish(in_precision_of(input, y), act, residual)
