"""Group normalization."""

from __future__ import annotations

from torch import Tensor

from normkit import kernels
from normkit.functional.activation import Activation, ended, finish
from normkit.functional.checks import (
    check_input,
    check_mask,
    check_per_channel,
    check_several,
)
from normkit.functional.statistics import (
    at_least_float32,
    centred_moments,
    in_precision_of,
    standardised,
    value_count,
)


def group_norm(
    input: Tensor,  # noqa: A002
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *,
    act: Activation = None,
    residual: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Standardises each group of channels of each sample over its channels and all positions.

    y = act(γ · (x − μ) / √(σ² + ε) + β + residual), with μ and σ² per sample and group over
    `(C / G, *)`, and γ and β per channel. One group is layer normalization over `(C, *)`.

    Args:
        input: `(N, C, *)`.
        num_groups: G, a divisor of C.
        weight: γ, `(C)` or None.
        bias: β, `(C)` or None.
        eps: ε, added to the variance.
        act: the activation: None, a name, or a module or function.
        residual: added before the activation, of the shape of `input`.
        mask: True where a value counts, `(N)`, `(N, *)` or `(N, 1, *)`; the others are normalised
            too, as 0 where they are not finite, but left out of the statistics. None counts all.

    Returns:
        `(N, C, *)`, in the dtype and memory format of `input`.

    Raises:
        ValueError: G does not divide C; one value per group; a vector that does not have
            C values; a residual of another shape.

    >>> import torch
    >>> x = torch.randn(8, 6, 5, 5) * 3 + 1
    >>> y = group_norm(x, 3)
    >>> torch.allclose(y.unflatten(1, (3, 2)).mean((2, 3, 4)), torch.zeros(8, 3), atol=1e-5)
    True

    Paper: Wu and He, "Group Normalization", 2018, https://arxiv.org/abs/1803.08494
    """
    check_input("group_norm", input)
    channels = input.shape[1]
    check_groups(num_groups, channels)
    check_per_channel("group_norm", channels, weight=weight, bias=bias)
    check_several(
        "group_norm",
        value_count(input, tuple(range(1, input.ndim))) // num_groups,
        input,
        per="group",
        fix="Use fewer groups, so that each has several channels.",
    )
    ending = kernels.choose("group_norm", input, act, residual, weight, bias, mask=mask)
    if ending is not None:
        y = kernels.group_norm(input, num_groups, weight, bias, eps, ending)
        return finish(y, ending.act)
    kept = check_mask("group_norm", mask, input)
    return ended(
        lambda **sources: (_plain(**sources, num_groups=num_groups, eps=eps), None),
        act,
        residual,
        input=input,
        weight=weight,
        bias=bias,
        kept=kept,
    )[0]


def _plain(
    input: Tensor,  # noqa: A002
    weight: Tensor | None,
    bias: Tensor | None,
    num_groups: int,
    eps: float,
    kept: Tensor | None = None,
) -> Tensor:
    x = at_least_float32(input, kept)
    centred, _, variance = centred_moments(x, tuple(range(1, x.ndim)), num_groups, kept)
    return in_precision_of(input, standardised(centred, variance, weight, bias, eps))


kernels.register_group(_plain)


def check_groups(num_groups: int, channels: int, function: str = "group_norm") -> None:
    """Raises unless the channels divide into the groups."""
    whole = isinstance(num_groups, int) and not isinstance(num_groups, bool)
    if not whole or num_groups < 1 or channels % num_groups != 0:
        divisors = [g for g in range(1, channels + 1) if channels % g == 0]
        raise ValueError(
            f"{function}: the number of channels must be divisible by num_groups; got "
            f"{channels} channels and num_groups={num_groups!r}. The divisors of {channels} are "
            f"{', '.join(map(str, divisors))}."
        )
