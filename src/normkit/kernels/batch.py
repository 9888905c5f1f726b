"""Batch normalization: with the statistics of the batch, and with those that are given."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from normkit.kernels.choice import Ending
from normkit.kernels.function import register_kernel, run
from normkit.kernels.running import Running, wrote_to


def register(of_batch: Callable[..., Tensor], applied: Callable[..., Tensor]) -> None:
    """Hands in the plain formulas: (input, weight, bias, eps), and with (mean, variance, eps)."""
    register_kernel("batch", "batch_norm", of_batch, has_moving=True)
    register_kernel("applied", "apply_statistics", applied, statistics="given")


def batch_norm(
    input: Tensor,  # noqa: A002
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    ending: Ending,
) -> tuple[Tensor, Tensor, Tensor]:
    """With the statistics of the batch.

    Returns:
        The output, and mean and unbiased variance, `(C)`, in float64.
    """
    output, mean, variance = run("batch", input, weight, bias, ending, eps, wants_statistics=True)
    assert mean is not None
    assert variance is not None
    return output, mean, variance


def batch_norm_moving(
    input: Tensor,  # noqa: A002
    running: Running,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    ending: Ending,
) -> Tensor:
    """With the statistics of the batch, which move running ones in the same operator."""
    output = run("batch", input, weight, bias, ending, eps, moved=running)[0]
    wrote_to(running)
    return output


def apply_statistics(
    input: Tensor,  # noqa: A002
    mean: Tensor,
    variance: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    ending: Ending,
) -> Tensor:
    """With statistics that are given, `(C)`."""
    return run("applied", input, weight, bias, ending, eps, given=(mean, variance))[0]
