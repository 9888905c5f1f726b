"""Batch-channel normalization: batch normalization, then group normalization."""

from __future__ import annotations

from torch import Tensor

from normkit.functional.activation import Activation, finish
from normkit.functional.batch import batch_norm, batch_norm_of_batch
from normkit.functional.checks import check_input, check_mask, check_per_channel
from normkit.functional.group import check_groups, group_norm
from normkit.functional.running import update_running_
from normkit.functional.statistics import Moments, at_least_float32, in_precision_of


def batch_channel_norm(
    input: Tensor,  # noqa: A002
    num_groups: int,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    batch_weight: Tensor | None = None,
    batch_bias: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    act: Activation = None,
    residual: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Standardises each channel over the batch, then each group of channels over the sample.

    y = act(γ · (z − μ_g) / √(σ²_g + ε) + β + residual), z = γ_b · (x − μ_b) / √(σ²_b + ε) + β_b,
    with μ_b and σ²_b per channel over `(N, *)`, in evaluation the running ones, and μ_g and σ²_g
    of z per sample and group over `(C / G, *)`.

    Args:
        input: `(N, C, *)`.
        num_groups: G, a divisor of C.
        running_mean: `(C)` or None; updated in place in training.
        running_var: `(C)` or None; updated in place in training, with the unbiased variance.
        batch_weight: γ_b, `(C)` or None.
        batch_bias: β_b, `(C)` or None.
        weight: γ, `(C)` or None.
        bias: β, `(C)` or None.
        training: whether the statistics over the batch are the batch's.
        momentum: how far the running statistics move towards the batch's.
        eps: ε, added to both variances.
        act: the activation: None, a name, or a module or function.
        residual: added before the activation, of the shape of `input`.
        mask: True where a value counts; see `batch_norm`.

    Returns:
        `(N, C, *)`, in the dtype and memory format of `input`.

    Raises:
        ValueError: G does not divide C; one value per channel in training, or per group; no
            running statistics in evaluation; a vector that does not have C values; a residual of
            another shape.

    >>> import torch
    >>> x = torch.randn(8, 6, 5, 5) * 3 + 1
    >>> y = batch_channel_norm(x, 3, None, None, training=True)
    >>> torch.allclose(y.unflatten(1, (3, 2)).mean((2, 3, 4)), torch.zeros(8, 3), atol=1e-5)
    True

    Paper: Qiao, Wang, Liu, Shen and Yuille, "Rethinking Normalization and Elimination Singularity
    in Neural Networks", 2019, https://arxiv.org/abs/1911.09738
    """
    if training:
        y, moments = batch_channel_norm_of_batch(
            input,
            num_groups,
            batch_weight,
            batch_bias,
            weight,
            bias,
            eps,
            act=act,
            residual=residual,
            mask=mask,
        )
        check_per_channel(
            "batch_channel_norm", input.shape[1], running_mean=running_mean, running_var=running_var
        )
        update_running_(running_mean, running_var, moments, momentum)
        return y
    x = _checked(input, num_groups, weight, bias, mask)
    z = batch_norm(x, running_mean, running_var, batch_weight, batch_bias, eps=eps, mask=mask)
    y = group_norm(z, num_groups, weight, bias, eps, mask=mask)
    return finish(in_precision_of(input, y), act, residual)


def batch_channel_norm_of_batch(
    input: Tensor,  # noqa: A002
    num_groups: int,
    batch_weight: Tensor | None = None,
    batch_bias: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *,
    act: Activation = None,
    residual: Tensor | None = None,
    mask: Tensor | None = None,
) -> tuple[Tensor, Moments]:
    """`batch_channel_norm` in training, and the batch's statistics, for who keeps running ones.

    Returns:
        The output, and the moments of the batch, without a gradient.
    """
    x = _checked(input, num_groups, weight, bias, mask)
    z, moments = batch_norm_of_batch(x, batch_weight, batch_bias, eps, mask=mask)
    y = group_norm(z, num_groups, weight, bias, eps, mask=mask)
    return finish(in_precision_of(input, y), act, residual), moments


def _checked(
    input: Tensor,  # noqa: A002
    num_groups: int,
    weight: Tensor | None,
    bias: Tensor | None,
    mask: Tensor | None,
) -> Tensor:
    """The input in the precision of both steps, so that half is rounded once, at the end."""
    check_input("batch_channel_norm", input)
    check_groups(num_groups, input.shape[1], "batch_channel_norm")
    check_per_channel("batch_channel_norm", input.shape[1], weight=weight, bias=bias)
    return at_least_float32(input, check_mask("batch_channel_norm", mask, input))
