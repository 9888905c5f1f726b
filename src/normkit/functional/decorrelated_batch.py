"""Decorrelated batch normalization: whitens the channels instead of standardising each."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from normkit.functional.activation import Activation
from normkit.functional.inverse_root import inverse_root
from normkit.functional.running import update_running_
from normkit.functional.statistics import Moments
from normkit.functional.whitening import check_running, whiten_as_run, whiten_batch

_NAME = "decorrelated_batch_norm"


def decorrelated_batch_norm(
    input: Tensor,  # noqa: A002
    running_mean: Tensor | None,
    running_covariance: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    num_groups: int = 1,
    *,
    act: Activation = None,
    residual: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Whitens the channels of each group over the batch and all positions.

    y = act(γ · W (x − μ) + β + residual), with W = (Σ + εI)^(−1/2) and Σ the covariance of the
    channels of a group over `(N, *)`. W is the symmetric root (ZCA), of all matrices that whiten
    the one whose output is nearest to x − μ. In evaluation μ and Σ are the running statistics. With
    as many groups as channels it is batch normalization.

    A batch with fewer values per channel than a group has channels does not vary in some
    directions: there W is 1 / √ε, and nothing is there to be multiplied by it.

    Args:
        input: `(N, C, *)`.
        running_mean: `(C)` or None; updated in place in training.
        running_covariance: `(G, C / G, C / G)` or None; updated in place in training, with the
            unbiased Σ. The paper averages the batches' W instead; `normkit.functional.whitening`
            tells why that is not done.
        weight: γ, `(C)` or None.
        bias: β, `(C)` or None.
        training: whether the statistics are the batch's.
        momentum: how far the running statistics move towards the batch's.
        eps: ε, added to the eigenvalues of Σ.
        num_groups: G, a divisor of C.
        act: the activation: None, a name, or a module or function.
        residual: added before the activation, of the shape of `input`.
        mask: True where a value counts, `(N)`, `(N, *)` or `(N, 1, *)`; the others are normalised
            too, but left out of the statistics. None counts all.

    Returns:
        `(N, C, *)`, in the dtype and memory format of `input`.

    Raises:
        ValueError: G does not divide C; one value per channel in training; no running statistics
            in evaluation; a vector that does not have C values; a residual of another shape.

    >>> import torch
    >>> x = torch.randn(64, 4) * 3 + torch.randn(64, 1)
    >>> y = decorrelated_batch_norm(x, None, None, training=True)
    >>> torch.allclose(y.T @ y / 64, torch.eye(4), atol=1e-3)
    True

    Paper: Huang, Yang, Lang and Deng, "Decorrelated Batch Normalization", 2018,
    https://arxiv.org/abs/1804.08450
    """
    if training:
        y, moments = decorrelated_batch_norm_of_batch(
            input, weight, bias, eps, num_groups, act=act, residual=residual, mask=mask
        )
        check_running(_NAME, running_mean, running_covariance, num_groups, input.shape[1])
        update_running_(running_mean, running_covariance, moments, momentum)
        return y
    return whiten_as_run(
        _NAME,
        input,
        running_mean,
        running_covariance,
        partial(inverse_root, eps=eps),
        num_groups,
        weight,
        bias,
        act,
        residual,
        mask,
    )


def decorrelated_batch_norm_of_batch(
    input: Tensor,  # noqa: A002
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    num_groups: int = 1,
    *,
    act: Activation = None,
    residual: Tensor | None = None,
    mask: Tensor | None = None,
) -> tuple[Tensor, Moments]:
    """Decorrelated batch normalization with the statistics of the batch, and these statistics.

    `decorrelated_batch_norm` in training, for who keeps running statistics; the arguments are the
    same.

    Returns:
        The output, and the moments that running statistics are moved by, without a gradient.
    """
    project = partial(inverse_root, eps=eps)
    return whiten_batch(_NAME, input, project, num_groups, weight, bias, act, residual, mask)
