"""Group normalization: with one group layer, with C groups instance normalization."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from normkit.kernels.choice import Ending
from normkit.kernels.function import register_kernel, run


def register(plain: Callable[..., Tensor]) -> None:
    """Hands in the plain formula: (input, weight, bias, groups, eps)."""
    register_kernel("group", "group_norm", plain)


def group_norm(
    input: Tensor,  # noqa: A002
    num_groups: int,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    ending: Ending,
) -> Tensor:
    """With the statistics of each group of channels of each sample."""
    return run("group", input, weight, bias, ending, num_groups, eps)[0]


def group_norm_with_statistics(
    input: Tensor,  # noqa: A002
    num_groups: int,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    ending: Ending,
) -> tuple[Tensor, Tensor, Tensor]:
    """`group_norm`, and its mean and biased variance, `(N · G)`, in float64."""
    output, mean, variance = run(
        "group", input, weight, bias, ending, num_groups, eps, wants_statistics=True
    )
    assert mean is not None
    assert variance is not None
    return output, mean, variance
