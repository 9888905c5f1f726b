"""Positional normalization, and the shortcut that gives its moments back."""

from __future__ import annotations

from torch import Tensor

from normkit.functional.activation import Activation, finish
from normkit.functional.checks import check_input, check_per_channel, check_several
from normkit.functional.statistics import (
    at_least_float32,
    centred_moments,
    in_precision_of,
    per_channel,
    scale_and_shift,
)


def positional_norm(
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
    `(C)`. The paper has no γ and β, and gives μ and √(σ² + ε) to a later layer in their place: see
    `positional_norm_with_moments`. With γ and β it is `channel_layer_norm`.

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

    >>> import torch
    >>> y = positional_norm(torch.randn(8, 16, 5, 5) * 3 + 1)
    >>> torch.allclose(y.mean(1), torch.zeros(8, 5, 5), atol=1e-5)
    True

    Paper: Li, Wu, Weinberger and Belongie, "Positional Normalization", 2019,
    https://arxiv.org/abs/1907.04312
    """
    return positional_norm_with_moments(input, weight, bias, eps, act=act, residual=residual)[0]


def positional_norm_with_moments(
    input: Tensor,  # noqa: A002
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *,
    act: Activation = None,
    residual: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Positional normalization, and what it took out: for `moment_shortcut` in a later layer.

    The arguments are those of `positional_norm`.

    Returns:
        The output, μ and √(σ² + ε), the moments of shape `(N, 1, *)`, with their gradients, and
        in the precision that they are computed in: float32, or float64 for an input in float64.

    >>> import torch
    >>> y, mean, std = positional_norm_with_moments(torch.randn(8, 16, 5, 5))
    >>> mean.shape, std.shape
    (torch.Size([8, 1, 5, 5]), torch.Size([8, 1, 5, 5]))
    """
    check_input("positional_norm", input)
    channels = input.shape[1]
    check_per_channel("positional_norm", channels, weight=weight, bias=bias)
    check_several(
        "positional_norm",
        channels,
        input,
        per="position",
        fix="With one channel use batch or instance normalization.",
    )
    x = at_least_float32(input)
    centred, minus_mean, variance = centred_moments(x, (1,))
    std = (variance + eps).sqrt()
    y = scale_and_shift(centred * (1 / std), per_channel(weight, x), per_channel(bias, x))
    return finish(in_precision_of(input, y), act, residual), -minus_mean, std


def moment_shortcut(input: Tensor, mean: Tensor, std: Tensor) -> Tensor:  # noqa: A002
    """Gives a later layer the moments that `positional_norm_with_moments` took out.

    y = std · x + mean at each position, for all channels alike.

    Args:
        input: `(N, C, *)`, with the samples and positions that the moments are of; the number of
            channels is free.
        mean: `(N, 1, *)`.
        std: `(N, 1, *)`.

    Returns:
        `(N, C, *)`, in the dtype and memory format of `input`.

    Raises:
        ValueError: moments of other samples or positions.

    >>> import torch
    >>> x = torch.randn(8, 16, 5, 5) * 3 + 1
    >>> y, mean, std = positional_norm_with_moments(x)
    >>> torch.allclose(moment_shortcut(y, mean, std), x, atol=1e-5)
    True

    Paper: Li, Wu, Weinberger and Belongie, "Positional Normalization", 2019,
    https://arxiv.org/abs/1907.04312
    """
    check_input("moment_shortcut", input)
    samples, _, *positions = input.shape
    for name, moment in (("mean", mean), ("std", std)):
        if moment.shape != (samples, 1, *positions):
            raise ValueError(
                f"moment_shortcut: {name} must hold one value per sample and position, "
                f"{(samples, 1, *positions)} for an input of shape {tuple(input.shape)}; got "
                f"{tuple(moment.shape)}. Take the moments of a layer whose map has the same size."
            )
    x = at_least_float32(input)
    return in_precision_of(
        input, scale_and_shift(x, in_precision_of(x, std), in_precision_of(x, mean))
    )
