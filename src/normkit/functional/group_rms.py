"""Group root mean square normalization: group normalization that does not subtract the mean."""

from __future__ import annotations

from torch import Tensor

from normkit.functional.activation import Activation, finish
from normkit.functional.checks import check_input, check_mask, check_per_channel
from normkit.functional.group import check_groups
from normkit.functional.statistics import (
    at_least_float32,
    in_precision_of,
    mean_square,
    standardised,
)


def group_rms_norm(
    input: Tensor,  # noqa: A002
    num_groups: int,
    weight: Tensor | None = None,
    eps: float = 1e-5,
    *,
    act: Activation = None,
    residual: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Divides each group of channels of each sample by its root mean square.

    y = act(γ · x / √(mean(x²) + ε) + residual), with the mean per sample and group over
    `(C / G, *)`, and γ per channel.

    Args:
        input: `(N, C, *)`.
        num_groups: G, a divisor of C.
        weight: γ, `(C)` or None.
        eps: ε, added to the mean square.
        act: the activation: None, a name, or a module or function.
        residual: added before the activation, of the shape of `input`.
        mask: True where a value counts, `(N)`, `(N, *)` or `(N, 1, *)`; the others are normalised
            too, as 0 where they are not finite, but left out of the statistics. None counts all.

    Returns:
        `(N, C, *)`, in the dtype and memory format of `input`.

    Raises:
        ValueError: G does not divide C; a weight that does not have C values; a residual of
            another shape.

    >>> import torch
    >>> y = group_rms_norm(torch.randn(8, 6, 5, 5) * 3 + 1, 3)
    >>> mean_squares = y.unflatten(1, (3, 2)).square().mean((2, 3, 4))
    >>> torch.allclose(mean_squares, torch.ones(8, 3), atol=1e-4)
    True

    Paper: Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019,
    https://arxiv.org/abs/1910.07467; over the groups of Wu and He, "Group Normalization", 2018,
    https://arxiv.org/abs/1803.08494
    """
    check_input("group_rms_norm", input)
    channels = input.shape[1]
    check_groups(num_groups, channels, "group_rms_norm")
    check_per_channel("group_rms_norm", channels, weight=weight)
    kept = check_mask("group_rms_norm", mask, input)
    x = at_least_float32(input, kept)
    y = standardised(
        x, mean_square(x, tuple(range(1, x.ndim)), num_groups, kept), weight, None, eps
    )
    return finish(in_precision_of(input, y), act, residual)
