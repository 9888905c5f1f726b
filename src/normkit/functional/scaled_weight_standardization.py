"""Scaled weight standardization."""

from __future__ import annotations

import torch
from torch import Tensor

from normkit.functional.statistics import at_least_float32, in_precision_of
from normkit.functional.weights import centred_by_output


def scaled_weight_standardization(
    weight: Tensor,
    gain: Tensor | None = None,
    eps: float = 1e-4,
    gamma: float = 1.0,
    *,
    transposed: bool = False,
    groups: int = 1,
) -> Tensor:
    """Standardises the weights of each output channel, scaled so that they keep a variance.

    Ŵ = g · γ · (W − μ) / √max(N · σ², ε), with μ and σ² per output channel over its fan-in N, the
    input channels of its group and all positions of the kernel. Where a layer's inputs are
    independent, of mean 0 and variance 1, its outputs have the variance g² · γ².

    Args:
        weight: W, `(C_out, C_in / G, *)`, of a convolution or linear layer.
        gain: g, `(C_out)` or None.
        eps: ε, the least that is divided by, squared.
        gamma: γ, which makes up for the activation in front of the layer: 1 without one, and
            √(2 / (1 − 1 / π)) ≈ 1.71 for a ReLU, whose output has the variance (1 − 1 / π) / 2.
        transposed: whether W is of a transposed convolution, `(C_in, C_out / G, *)`.
        groups: G; asked for where `transposed` is on, as the shape of W does not show it.

    Returns:
        Ŵ, in the shape, dtype and memory format of `weight`.

    Raises:
        TypeError: a weight that is not floating-point.
        ValueError: a weight with fewer than two axes, or with one single input per output; a gain
            that does not have C_out values.

    >>> weight = scaled_weight_standardization(torch.randn(16, 8, 3, 3) * 3 + 1)
    >>> torch.allclose(weight.square().sum((1, 2, 3)), torch.ones(16))
    True

    Papers: Brock, De and Smith, "Characterizing Signal Propagation to Close the Performance Gap in
    Unnormalized ResNets", 2021, https://arxiv.org/abs/2101.08692; Brock, De, Smith and Simonyan,
    "High-Performance Large-Scale Image Recognition Without Normalization", 2021,
    https://arxiv.org/abs/2102.06171
    """
    centred, variance, fan_in = centred_by_output(
        "scaled_weight_standardization", at_least_float32(weight), transposed, groups
    )
    scale = torch.rsqrt((variance * fan_in).clamp(min=eps)) * gamma
    if gain is not None:
        if gain.shape != (scale.numel(),):
            raise ValueError(
                "scaled_weight_standardization: gain must hold one value per output channel; a "
                f"weight of shape {tuple(weight.shape)} has {scale.numel()}, gain has shape "
                f"{tuple(gain.shape)}. Make it for the number of output channels."
            )
        scale = scale * in_precision_of(scale, gain).reshape(scale.shape)
    return in_precision_of(weight, (centred * scale).reshape(weight.shape))
