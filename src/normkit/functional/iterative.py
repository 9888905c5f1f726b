"""Iterative normalization: whitens the channels by a few Newton iterations."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from normkit.functional.activation import Activation
from normkit.functional.checks import is_whole
from normkit.functional.running import update_running_
from normkit.functional.statistics import Moments
from normkit.functional.whitening import check_running, whiten_as_run, whiten_batch

_NAME = "iterative_norm"


def iterative_norm(
    input: Tensor,  # noqa: A002
    running_mean: Tensor | None,
    running_covariance: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    num_groups: int = 1,
    iterations: int = 5,
    *,
    act: Activation = None,
    residual: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Whitens the channels of each group over the batch and all positions, in part.

    y = act(γ · W (x − μ) + β + residual), with W near (Σ + εI)^(−1/2) and Σ the covariance of the
    channels of a group over `(N, *)`: with S = Σ + εI, P₀ = I and
    Pₖ = (3 Pₖ₋₁ − Pₖ₋₁³ S / tr(S)) / 2, it is W = P_T / √tr(S) after T iterations. In evaluation μ
    and Σ are the running statistics.

    An iteration scales a direction up by 3/2 at most, so the directions in which the batch varies
    least are whitened in part only, and are not blown up where it does not vary at all. With more
    iterations W comes near that of decorrelated batch normalization. In float32 stay well below
    20: from there on, a direction in which the batch does not vary holds rounding errors as large
    as the others' values.

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
        iterations: T; with 0 each group is divided by the root of its total variance.
        act: the activation: None, a name, or a module or function.
        residual: added before the activation, of the shape of `input`.
        mask: True where a value counts, `(N)`, `(N, *)` or `(N, 1, *)`; the others are normalised
            too, but left out of the statistics. None counts all.

    Returns:
        `(N, C, *)`, in the dtype and memory format of `input`.

    Raises:
        ValueError: G does not divide C; T below 0; one value per channel in training; no running
            statistics in evaluation; a vector that does not have C values; a residual of another
            shape.

    >>> x = torch.randn(512, 4) * 3 + 1
    >>> y = iterative_norm(x, None, None, training=True)
    >>> torch.allclose(y.T @ y / 512, torch.eye(4), atol=1e-3)
    True

    Paper: Huang, Zhou, Zhu, Liu and Shao, "Iterative Normalization: Beyond Standardization
    towards Efficient Whitening", 2019, https://arxiv.org/abs/1904.03441
    """
    if training:
        y, moments = iterative_norm_of_batch(
            input, weight, bias, eps, num_groups, iterations, act=act, residual=residual, mask=mask
        )
        check_running(_NAME, running_mean, running_covariance, num_groups, input.shape[1])
        update_running_(running_mean, running_covariance, moments, momentum)
        return y
    return whiten_as_run(
        _NAME,
        input,
        running_mean,
        running_covariance,
        partial(newton_root, eps=eps, iterations=iterations),
        num_groups,
        weight,
        bias,
        act,
        residual,
        mask,
    )


def iterative_norm_of_batch(
    input: Tensor,  # noqa: A002
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    num_groups: int = 1,
    iterations: int = 5,
    *,
    act: Activation = None,
    residual: Tensor | None = None,
    mask: Tensor | None = None,
) -> tuple[Tensor, Moments]:
    """Iterative normalization with the statistics of the batch, and these statistics.

    `iterative_norm` in training, for who keeps running statistics; the arguments are the same.

    Returns:
        The output, and the moments that running statistics are moved by, without a gradient.
    """
    check_iterations(iterations)
    project = partial(newton_root, eps=eps, iterations=iterations)
    return whiten_batch(_NAME, input, project, num_groups, weight, bias, act, residual, mask)


def newton_root(matrix: Tensor, eps: float, iterations: int) -> Tensor:
    """(M + εI)^(−1/2), nearly, of each matrix of `(*, d, d)`.

    Args:
        matrix: symmetric and positive semidefinite but for rounding.
        eps: ε.
        iterations: of Newton's method.

    >>> newton_root(torch.diag(torch.tensor([3.0, 8.0])), 1.0, iterations=7).diagonal()
    tensor([0.5000, 0.3333])
    """
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    shifted = matrix + eps * identity
    trace = shifted.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]
    # Its eigenvalues are at most 1, and from there the iteration converges.
    share = shifted / trace
    root, product = identity.expand_as(share), share
    for _ in range(iterations):
        # The paper's step, (3 P − P³ S) / 2, with P S carried along: the same in exact arithmetic.
        # Where P³ S is multiplied out, rounding errors grow from step to step, in float32 above
        # the result itself after a dozen.
        step = 1.5 * identity - 0.5 * (root @ product)
        root, product = step @ root, product @ step
    return root * trace.rsqrt()


def check_iterations(iterations: int, function: str = _NAME) -> None:
    """Raises unless there is such a number of iterations."""
    if not is_whole(iterations, 0):
        raise ValueError(
            f"{function} takes a whole number of iterations of at least 0; got {iterations!r}. "
            "The paper takes 5."
        )
