"""EvoNorm-S0: a normalization over the sample and its activation, found by search as one."""

from __future__ import annotations

import torch
from torch import Tensor

from normkit.functional.activation import Activation, finish
from normkit.functional.checks import check_input, check_mask, check_per_channel, check_several
from normkit.functional.group import check_groups
from normkit.functional.statistics import (
    at_least_float32,
    centred_moments,
    in_precision_of,
    per_channel,
    standardised,
    value_count,
)


def evonorm_s0(
    input: Tensor,  # noqa: A002
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    v: Tensor | None = None,
    eps: float = 1e-5,
    *,
    act: Activation = None,
    residual: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Gates each value by itself, and divides by the deviation of its group of channels.

    y = act(γ · x · sigmoid(v · x) / √(σ² + ε) + β + residual), with σ² per sample and group over
    `(C / G, *)`, and γ, β and v per channel.

    Args:
        input: `(N, C, *)`.
        num_groups: G, a divisor of C.
        weight: γ, `(C)` or None.
        bias: β, `(C)` or None.
        v: the slope of the gate, `(C)`; None leaves the gate out.
        eps: ε, added to the variance.
        act: a further activation: None, a name, or a module or function.
        residual: added before that, of the shape of `input`.
        mask: True where a value counts; see `batch_norm`.

    Returns:
        `(N, C, *)`, in the dtype and memory format of `input`.

    Raises:
        ValueError: G does not divide C; one value per group; a vector that does not have
            C values; a residual of another shape.

    >>> x = torch.randn(8, 6, 5, 5)
    >>> evonorm_s0(x, 3, v=torch.ones(6)).shape
    torch.Size([8, 6, 5, 5])

    Paper: Liu, Brock, Simonyan and Le, "Evolving Normalization-Activation Layers", 2020,
    https://arxiv.org/abs/2004.02967
    """
    check_input("evonorm_s0", input)
    channels = input.shape[1]
    check_groups(num_groups, channels, "evonorm_s0")
    check_per_channel("evonorm_s0", channels, weight=weight, bias=bias, v=v)
    kept = check_mask("evonorm_s0", mask, input)
    x = at_least_float32(input, kept)
    axes = tuple(range(1, x.ndim))
    check_several(
        "evonorm_s0",
        value_count(x, axes) // num_groups,
        input,
        per="group",
        fix="Use fewer groups, so that each has several channels.",
    )
    _, _, variance = centred_moments(x, axes, num_groups, kept)
    slope = per_channel(v, x)
    gated = x if slope is None else x * torch.sigmoid(slope * x)
    y = standardised(gated, variance, weight, bias, eps)
    return finish(in_precision_of(input, y), act, residual)
