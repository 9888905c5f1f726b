"""Layer normalization over the channels at each position."""

from __future__ import annotations

import torch
from torch import Tensor

from normkit import kernels
from normkit.functional.activation import Activation, ended, finish
from normkit.functional.checks import check_input, check_per_channel, check_several
from normkit.functional.statistics import (
    at_least_float32,
    centred_moments,
    in_precision_of,
    per_channel,
    scale_and_shift,
)


def channel_layer_norm(
    input: Tensor,  # noqa: A002
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *,
    act: Activation = None,
    residual: Tensor | None = None,
) -> Tensor:
    """Standardises the channels of each sample at each position.

    y = act(γ · (x − μ) / √(σ² + ε) + β + residual), with μ and σ² per sample and position over
    `(C)`, and γ and β per channel.

    Args:
        input: `(N, C, *)`.
        weight: γ, `(C)` or None.
        bias: β, `(C)` or None.
        eps: ε, added to the variance.
        act: the activation: None, a name, or a module or function.
        residual: added before the activation, of the shape of `input`.

    Returns:
        `(N, C, *)`, in the dtype and memory format of `input`.

    Raises:
        ValueError: one channel; a vector that does not have C values; a residual of another
            shape.

    >>> x = torch.randn(8, 16, 5, 5) * 3 + 1
    >>> y = channel_layer_norm(x)
    >>> torch.allclose(y.mean(1), torch.zeros(8, 5, 5), atol=1e-5)
    True

    Paper: Ba, Kiros and Hinton, "Layer Normalization", 2016, https://arxiv.org/abs/1607.06450;
    in this form in Liu et al., "A ConvNet for the 2020s", 2022, https://arxiv.org/abs/2201.03545
    """
    check_input("channel_layer_norm", input)
    channels = input.shape[1]
    check_per_channel("channel_layer_norm", channels, weight=weight, bias=bias)
    check_several(
        "channel_layer_norm",
        channels,
        input,
        per="position",
        fix="With one channel use batch or instance normalization.",
    )
    ending = kernels.choose("channel_layer_norm", input, act, residual, weight, bias)
    if ending is not None:
        y = kernels.channel_norm(input, weight, bias, channels, eps, ending, centred=True)
        return finish(y, ending.act)
    return ended(
        lambda **sources: (_plain(**sources, channels=channels, eps=eps), None),
        act,
        residual,
        input=input,
        weight=weight,
        bias=bias,
    )[0]


def _plain(
    input: Tensor,  # noqa: A002
    weight: Tensor | None,
    bias: Tensor | None,
    channels: int,
    eps: float,
) -> Tensor:
    x = at_least_float32(input)
    centred, _, variance = centred_moments(x, (1,))
    y = scale_and_shift(
        centred * torch.rsqrt(variance + eps), per_channel(weight, x), per_channel(bias, x)
    )
    return in_precision_of(input, y)


kernels.register_channel(_plain, centred=True, trailing=False)
