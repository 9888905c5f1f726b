"""Weight standardization."""

from __future__ import annotations

import torch
from torch import Tensor

from normkit.functional.statistics import at_least_float32, in_precision_of
from normkit.functional.weights import centred_by_output


def weight_standardization(
    weight: Tensor, eps: float = 1e-5, *, transposed: bool = False, groups: int = 1
) -> Tensor:
    """Standardises the weights of each output channel over its inputs.

    Ŵ = (W − μ) / √(σ² + ε), with μ and σ² per output channel over its fan-in, the input channels
    of its group and all positions of the kernel.

    Args:
        weight: W, `(C_out, C_in / G, *)`, of a convolution or linear layer.
        eps: ε, added to the variance.
        transposed: whether W is of a transposed convolution, `(C_in, C_out / G, *)`.
        groups: G; asked for where `transposed` is on, as the shape of W does not show it.

    Returns:
        Ŵ, in the shape, dtype and memory format of `weight`.

    Raises:
        TypeError: a weight that is not floating-point.
        ValueError: a weight with fewer than two axes, or with one single input per output.

    >>> weight = weight_standardization(torch.randn(16, 8, 3, 3) * 3 + 1)
    >>> torch.allclose(weight.mean((1, 2, 3)), torch.zeros(16), atol=1e-6)
    True

    Paper: Qiao, Wang, Liu, Shen and Yuille, "Micro-Batch Training with Batch-Channel Normalization
    and Weight Standardization", 2019, https://arxiv.org/abs/1903.10520
    """
    centred, variance, _ = centred_by_output(
        "weight_standardization", at_least_float32(weight), transposed, groups
    )
    standardised = (centred * torch.rsqrt(variance + eps)).reshape(weight.shape)
    return in_precision_of(weight, standardised)
