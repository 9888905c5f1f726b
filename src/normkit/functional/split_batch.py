"""Split batch normalization: parts of the batch with statistics, γ and β of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from normkit.functional.activation import Activation, finish
from normkit.functional.batch import batch_norm
from normkit.functional.checks import (
    check_input,
    check_mask,
    check_per_channel,
    check_several,
    is_whole,
)
from normkit.functional.parts import PartMoments, moments_of_parts, runs_of
from normkit.functional.running import update_running_
from normkit.functional.statistics import (
    Moments,
    at_least_float32,
    in_precision_of,
    scale_and_shift,
    unbiased,
    value_count,
)

Vectors = Sequence[Tensor] | Tensor
"""One `(C)` for each split, the main one first, in a sequence or as the rows of a tensor."""


def split_batch_norm(
    input: Tensor,  # noqa: A002
    running_mean: Vectors | None,
    running_var: Vectors | None,
    weight: Vectors | None = None,
    bias: Vectors | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    num_splits: int = 2,
    act: Activation = None,
    residual: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Standardises each channel over the samples of a split and all positions.

    y = act(γ · (x − μ) / √(σ² + ε) + β + residual), with μ and σ² per split and channel over
    `(n, *)`, and γ and β per split. The first split is the main one: evaluation takes the whole
    batch by its running statistics, γ and β. The others, in the paper that of the adversarial
    examples, are auxiliary and only there in training.

    A batch of N samples is cut into `num_splits` splits, of samples that follow each other. If N is
    no multiple, the last N mod `num_splits` splits are one sample larger. So of two halves put
    together of which one lacks a sample no auxiliary sample comes into the main split.

    Args:
        input: `(N, C, *)`, in training the main samples first.
        running_mean: for each split, the main one first, `(C)`; or None. Updated in place in
            training, but none of them by a batch of which one split is not finite.
        running_var: as `running_mean`, with the unbiased variance.
        weight: γ, for each split `(C)`; or None.
        bias: β, for each split `(C)`; or None.
        training: whether the statistics are the splits'.
        momentum: how far the running statistics move towards their split's.
        eps: ε, added to the variance.
        num_splits: how many splits a batch has in training.
        act: the activation: None, a name, or a module or function.
        residual: added before the activation, of the shape of `input`.
        mask: True where a value counts; see `batch_norm`. A sample that it leaves out keeps its
            place in a split. A split that is left with a single value per channel moves no running
            statistics.

    Returns:
        `(N, C, *)`, in the dtype and memory format of `input`.

    Raises:
        ValueError: fewer samples than splits, or one value per channel and split, in training; no
            running statistics in evaluation; not one vector of C values for each split; a
            `num_splits` below 1; a residual of another shape.

    >>> clean, adversarial = torch.randn(4, 3), torch.randn(4, 3) * 3 + 1
    >>> y = split_batch_norm(torch.cat([clean, adversarial]), None, None, training=True)
    >>> torch.allclose(y[4:], batch_norm(adversarial, None, None, training=True), atol=1e-6)
    True

    Paper: Xie, Tan, Gong, Wang, Yuille and Le, "Adversarial Examples Improve Image Recognition",
    2020, https://arxiv.org/abs/1911.09665
    """
    check_num_splits(num_splits)
    _check_one_each(
        num_splits, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias
    )
    ending: dict[str, Any] = {"act": act, "residual": residual, "mask": mask}
    if not training:
        return batch_norm(
            input,
            _of_split(0, running_mean),
            _of_split(0, running_var),
            _of_split(0, weight),
            _of_split(0, bias),
            eps=eps,
            **ending,
        )
    y, moments = split_batch_norm_of_batch(
        input, weight, bias, eps, num_splits=num_splits, **ending
    )
    _check_vectors(input.shape[1], running_mean=running_mean, running_var=running_var)
    for split, found in enumerate(moments):
        update_running_(
            _of_split(split, running_mean), _of_split(split, running_var), found, momentum
        )
    return y


def split_batch_norm_of_batch(
    input: Tensor,  # noqa: A002
    weight: Vectors | None = None,
    bias: Vectors | None = None,
    eps: float = 1e-5,
    *,
    num_splits: int = 2,
    act: Activation = None,
    residual: Tensor | None = None,
    mask: Tensor | None = None,
) -> tuple[Tensor, list[Moments]]:
    """`split_batch_norm` in training, and the statistics, for who keeps running ones.

    Returns:
        The output, and for each split the moments that its running statistics are moved by,
        without a gradient.
    """
    check_input("split_batch_norm", input)
    _check_vectors(input.shape[1], weight=weight, bias=bias)
    kept = check_mask("split_batch_norm", mask, input)
    samples = input.shape[0]
    if 0 < samples < num_splits:
        raise ValueError(
            "split_batch_norm in training needs a sample for each split; got an input of shape "
            f"{tuple(input.shape)} and num_splits={num_splits}. Use a larger batch "
            "(drop_last=True for the last one) or evaluation mode."
        )
    x = at_least_float32(input, kept)
    check_several(
        "split_batch_norm in training",
        samples // num_splits * value_count(x, tuple(range(2, x.ndim))),
        x,
        per="channel and split",
        fix="Use a larger batch (drop_last=True for the last one), fewer splits, evaluation mode, "
        "or a norm that does not look over the batch.",
    )
    runs = runs_of(samples, num_splits)
    of_parts = moments_of_parts(x, runs, kept)
    scale = torch.rsqrt(of_parts.variance + eps)
    sizes = [size for parts, size in runs for _ in range(parts)]
    if weight is not None:
        scale = scale * _of_samples(weight, sizes, x)
    shift = None if bias is None else _of_samples(bias, sizes, x)
    y = scale_and_shift(of_parts.centred, scale, shift)
    return finish(in_precision_of(input, y), act, residual), _moments(of_parts, sizes)


def _of_split(split: int, vectors: Vectors | None) -> Tensor | None:
    return None if vectors is None else vectors[split]


def _of_samples(vectors: Vectors, sizes: Sequence[int], x: Tensor) -> Tensor:
    """For each sample the vector of its split, in a shape that meets `(N, C, *)`."""
    rows = [in_precision_of(x, v).expand(n, -1) for v, n in zip(vectors, sizes, strict=True)]
    return torch.cat(rows).reshape(*x.shape[:2], *(1,) * (x.ndim - 2))


def _moments(of_parts: PartMoments, sizes: Sequence[int]) -> list[Moments]:
    variance = unbiased(of_parts.variance.detach(), of_parts.size)
    mean = of_parts.mean.detach()
    # One step of training: if it goes wrong in one split, it counts in none.
    finite = mean.isfinite().all() & variance.isfinite().all()
    counted = torch.where(finite, of_parts.size, 0.0).expand(mean.shape[0], *(1,) * (mean.ndim - 1))
    found = []
    first = 0
    for size in sizes:
        # All samples of a split have the same; none, in an empty batch, have zero.
        rows = [rows[first : first + 1].sum(0).flatten() for rows in (mean, variance, counted)]
        found.append(Moments(*rows))
        first += size
    return found


def check_num_splits(count: int) -> None:
    """Raises unless there is a main split."""
    if not is_whole(count, 1):
        raise ValueError(
            "num_splits is the number of parts of a batch, the main one among them; got "
            f"{count!r}. It must be a whole number of at least 1; with one set of adversarial "
            "examples it is 2."
        )


def _check_one_each(num_splits: int, **vectors: Vectors | None) -> None:
    for name, given in vectors.items():
        if given is not None and len(given) != num_splits:
            raise ValueError(
                f"split_batch_norm: {name} must hold one vector for each split, the main one "
                f"first; got {len(given)} and num_splits={num_splits}."
            )


def _check_vectors(channels: int, **vectors: Vectors | None) -> None:
    for name, given in vectors.items():
        for split, vector in enumerate(() if given is None else given):
            check_per_channel("split_batch_norm", channels, **{f"{name}[{split}]": vector})
