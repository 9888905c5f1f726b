"""Spectral normalization."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from normkit.functional.running import kept_for_backward
from normkit.functional.statistics import at_least_float32, in_precision_of
from normkit.functional.weights import check_weight


def spectral_norm(weight: Tensor, u: Tensor, v: Tensor, dim: int = 0) -> Tensor:
    """Divides weights by their largest singular value, as two singular vectors give it.

    Ŵ = W / σ, σ = uᵀ · W · v, with W as a matrix whose rows are the indices of the axis `dim`. The
    vectors are constants: no gradient goes through them. Where σ is zero, Ŵ is W.

    Args:
        weight: W, `(C_out, C_in / G, *)`, of a convolution or linear layer.
        u: the left singular vector, with as many values as the axis `dim`.
        v: the right singular vector, with as many values as all the other axes together.
        dim: the axis of the outputs.

    Returns:
        Ŵ, in the shape, dtype and memory format of `weight`.

    Raises:
        TypeError: a weight that is not floating-point.
        ValueError: a weight with fewer than two axes; an axis that it does not have; vectors of
            other sizes.

    >>> weight, u, v = torch.diag(torch.tensor([1.0, 4.0])), torch.ones(2), torch.ones(2)
    >>> spectral_norm(weight, *power_iteration(weight, u, v, n_power_iterations=10))
    tensor([[0.2500, 0.0000],
            [0.0000, 1.0000]])

    Paper: Miyato, Kataoka, Koyama and Yoshida, "Spectral Normalization for Generative Adversarial
    Networks", 2018, https://arxiv.org/abs/1802.05957
    """
    matrix = as_matrix(at_least_float32(weight), dim)
    _check_vectors(weight, matrix, u, v)
    left, right = (in_precision_of(matrix, kept_for_backward(w.detach())) for w in (u, v))
    sigma = (left * _times(matrix, right)).sum()
    scaled = at_least_float32(weight) / torch.where(sigma == 0, 1.0, sigma)
    return in_precision_of(weight, scaled)


@torch.no_grad()
def power_iteration(
    weight: Tensor,
    u: Tensor,
    v: Tensor,
    dim: int = 0,
    n_power_iterations: int = 1,
    eps: float = 1e-12,
) -> tuple[Tensor, Tensor]:
    """Brings two vectors closer to the singular vectors of a weight's largest singular value.

    u ← W · v / ‖W · v‖, then v ← Wᵀ · u / ‖Wᵀ · u‖: algorithm 1 of the paper, but for the order,
    which is PyTorch's.

    Args:
        weight: W, `(C_out, C_in / G, *)`.
        u: the left vector so far; it has the right size, its values do not matter.
        v: the right vector so far.
        dim: the axis of the outputs.
        n_power_iterations: how often.
        eps: the least length that is divided by.

    Returns:
        u and v, in the precision the formula is computed in.

    Raises:
        TypeError: a weight that is not floating-point.
        ValueError: a weight with fewer than two axes; an axis that it does not have; vectors of
            other sizes.

    >>> weight = torch.diag(torch.tensor([1.0, 4.0]))
    >>> u, v = power_iteration(weight, torch.ones(2), torch.ones(2), n_power_iterations=10)
    >>> torch.allclose(v, torch.tensor([0.0, 1.0]))
    True
    """
    matrix = as_matrix(at_least_float32(weight), dim)
    _check_vectors(weight, matrix, u, v)
    u, v = in_precision_of(matrix, u), in_precision_of(matrix, v)
    for _ in range(n_power_iterations):
        u = F.normalize(_times(matrix, v), dim=0, eps=eps)
        v = F.normalize(_times(matrix.T, u), dim=0, eps=eps)
    return u, v


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    # Not as a product of matrices, which autocast would take in half precision.
    return (matrix * vector).sum(1)


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """A weight with the axis of the outputs as rows and all others as columns.

    Raises:
        TypeError: a weight that is not floating-point.
        ValueError: a weight with fewer than two axes; an axis that it does not have.
    """
    check_weight("spectral_norm", weight)
    if not -weight.ndim <= dim < weight.ndim:
        raise ValueError(
            f"spectral_norm: dim must be an axis of the weight, from 0 to {weight.ndim - 1}; got "
            f"{dim} for a weight of shape {tuple(weight.shape)}."
        )
    return weight.movedim(dim, 0).flatten(1)


def _check_vectors(weight: Tensor, matrix: Tensor, u: Tensor, v: Tensor) -> None:
    for name, vector, size in (("u", u, matrix.shape[0]), ("v", v, matrix.shape[1])):
        if vector.shape != (size,):
            raise ValueError(
                f"spectral_norm: {name} must hold {size} values for a weight of shape "
                f"{tuple(weight.shape)}; got {tuple(vector.shape)}. Make it anew for this weight."
            )
