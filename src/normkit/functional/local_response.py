"""Local response normalization."""

from __future__ import annotations

from torch import Tensor

from normkit.functional.activation import Activation, finish
from normkit.functional.checks import check_input, is_whole
from normkit.functional.statistics import at_least_float32, in_precision_of
from normkit.functional.windows import window_sum


def local_response_norm(
    input: Tensor,  # noqa: A002
    size: int,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
    *,
    act: Activation = None,
    residual: Tensor | None = None,
) -> Tensor:
    """Divides each value by a power of the squares in a window of channels around its own.

    y = act(x / (k + α / size · Σ x²)^β + residual), with the sum per sample and position over the
    `size` channels from c − size // 2 to c + (size − 1) // 2, as far as there are such. The paper
    does not divide α by the size, PyTorch does: α here is `size` times the paper's. The paper's
    values are `size=5, alpha=5e-4, beta=0.75, k=2`.

    Args:
        input: `(N, C, *)`.
        size: how many channels a window has.
        alpha: α, how much the mean of the squares, with zeros beyond the first and the last
            channel, counts.
        beta: β, the power.
        k: what the mean is added to.
        act: the activation: None, a name, or a module or function.
        residual: added before the activation, of the shape of `input`.

    Returns:
        `(N, C, *)`, in the dtype and memory format of `input`.

    Raises:
        ValueError: a size below 1; a residual of another shape.

    >>> import torch
    >>> local_response_norm(torch.ones(1, 4), size=3, alpha=3.0, beta=1.0)
    tensor([[0.3333, 0.2500, 0.2500, 0.3333]])

    Paper: Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional
    Neural Networks", 2012,
    https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks
    """
    check_input("local_response_norm", input)
    check_size(size, "local_response_norm")
    x = at_least_float32(input)
    divisor = k + window_sum(x * x, 1, size) * (alpha / size)
    return finish(in_precision_of(input, x * divisor.pow(-beta)), act, residual)


def check_size(size: int, function: str) -> None:
    """Raises unless a window holds a channel."""
    if not is_whole(size, 1):
        raise ValueError(
            f"{function}: size is how many channels a window has, at least 1; got {size!r}. Give a "
            "whole number; the paper's is 5."
        )
