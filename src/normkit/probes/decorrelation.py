"""How correlated the channels of a layer are, ahead of its norm and behind it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from normkit.probes.restore import unchanged
from normkit.probes.standardise import without_affine


@dataclass(frozen=True)
class Decorrelation:
    """Mean absolute correlation between channels, NaN where fewer than two vary.

    `before` and `after` are the values that enter a norm and those that leave it, before γ and β;
    `largest_change` is that of any one coefficient between the two. `output` is what the whole
    layer hands on, and `rank` its effective rank as a share of the channels.
    """

    before: float
    after: float
    largest_change: float
    output: float
    rank: float


def correlations(values: Tensor) -> tuple[Tensor, Tensor]:
    r"""Correlation matrix of the channels, over the batch and all positions.

    .. math:: R_{ij} = \frac{\mathrm{Cov}(x_i, x_j)}{\sqrt{\mathrm{Var}(x_i) \mathrm{Var}(x_j)}}

    Args:
        values: `(N, C, *)`.

    Returns:
        The matrix `(K, K)` in float64, of the K channels that vary, and which those are, `(C)`.

    >>> matrix, varies = correlations(torch.tensor([[1.0, 2.0, 5.0], [2.0, 4.0, 5.0]]))
    >>> [[round(value, 6) for value in row] for row in matrix.tolist()], varies.tolist()
    ([[1.0, 1.0], [1.0, 1.0]], [True, True, False])
    """
    flat = values.detach().double().transpose(0, 1).flatten(1)
    centred = flat - flat.mean(1, keepdim=True)
    length = centred.norm(dim=1)
    # What rounding leaves of a constant channel is no variation.
    varies = length > 1e-6 * flat.norm(dim=1).clamp_min(torch.finfo(torch.float32).tiny)
    directions = centred[varies] / length[varies, None]
    return directions @ directions.T, varies


def mean_absolute(matrix: Tensor) -> float:
    """Mean absolute value off the diagonal; NaN for fewer than two channels.

    >>> mean_absolute(torch.tensor([[1.0, -0.5], [-0.5, 1.0]]))
    0.5
    """
    count = len(matrix)
    if count < 2:
        return math.nan
    return float((matrix.abs().sum() - matrix.diagonal().abs().sum()) / (count * (count - 1)))


def effective_rank(matrix: Tensor) -> float:
    r"""Exponential of the entropy of the eigenvalues: how many directions are really used.

    .. math:: \exp\Big(-\sum_i p_i \ln p_i\Big), \quad p_i = \lambda_i / \textstyle\sum_j \lambda_j

    >>> round(effective_rank(torch.eye(4)), 6), round(effective_rank(torch.ones(4, 4)), 6)
    (4.0, 1.0)

    Paper: Roy and Vetterli, "The effective rank", 2007
    """
    if not len(matrix):
        return math.nan
    eigenvalues = torch.linalg.eigvalsh(matrix.double()).clamp_min(0)
    shares = eigenvalues / eigenvalues.sum()
    return math.exp(float(-torch.special.xlogy(shares, shares).sum()))


def decorrelation(
    model: nn.Module,
    norms: Sequence[nn.Module | None],
    outputs: Sequence[nn.Module],
    images: Tensor,
) -> list[Decorrelation]:
    """Measure the layers of a network in training mode, on one batch.

    Args:
        model: the model that holds the layers.
        norms: the norm of each layer, whose γ and β are left out, in a copy; None for a layer
            without, whose output alone is measured.
        outputs: the module whose output is the layer's.
        images: one batch, `(N, C, *)`.

    Returns:
        One for each layer.

    Raises:
        RuntimeError: a module was not called.

    >>> norm = nn.BatchNorm2d(4)
    >>> found = decorrelation(norm, [norm], [norm], torch.randn(8, 4, 5, 5))[0]
    >>> found.largest_change < 1e-6
    True
    """
    entered: dict[nn.Module, Tensor] = {}
    left: dict[nn.Module, Tensor] = {}
    # Cloned, since what works in place may overwrite them later in the pass.
    handles = [
        norm.register_forward_pre_hook(
            lambda module, arguments: entered.update({module: arguments[0].detach().clone()})
        )
        for norm in norms
        if norm is not None
    ]
    handles += [
        output.register_forward_hook(
            lambda module, _, result: left.update({module: result.detach().clone()})
        )
        for output in outputs
    ]
    try:
        with unchanged(model), torch.no_grad():
            model.train()(images)
    finally:
        for handle in handles:
            handle.remove()
    if not (entered.keys() >= set(norms) - {None} and left.keys() >= set(outputs)):
        raise RuntimeError(
            "every layer measured must take part in the forward pass; one was not called"
        )
    return [
        _measured(norm, None if norm is None else entered[norm], left[output])
        for norm, output in zip(norms, outputs, strict=True)
    ]


def _measured(norm: nn.Module | None, values: Tensor | None, output: Tensor) -> Decorrelation:
    handed_on, _ = correlations(output)
    around = (math.nan, math.nan, math.nan)
    if norm is not None and values is not None:
        around = _around(norm, values)
    return Decorrelation(
        *around, mean_absolute(handed_on), effective_rank(handed_on) / output.shape[1]
    )


def _around(norm: nn.Module, values: Tensor) -> tuple[float, float, float]:
    """Mean absolute correlation ahead of a norm and behind it, and the largest change."""
    with torch.no_grad():
        normalised = without_affine(norm).train()(values)
    before, varies = correlations(values)
    after, still = correlations(normalised)
    both = varies & still
    change = before[both[varies]][:, both[varies]] - after[both[still]][:, both[still]]
    largest = float(change.abs().max()) if change.numel() else math.nan
    return mean_absolute(before), mean_absolute(after), largest
