"""The inverse square root of a matrix and its derivatives."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from normkit.functional.inverse_root import inverse_root

EPS = 0.01
DIRECTION = torch.tensor([1.0, 2.0, -1.0], dtype=torch.float64)
MATRICES = {
    "distinct": torch.diag(torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)),
    "equal": 2 * torch.eye(3, dtype=torch.float64),
    "nearly equal": torch.diag(torch.tensor([2.0, 2.0 + 1e-12, 3.0], dtype=torch.float64)),
    "singular": torch.outer(DIRECTION, DIRECTION),
    "zero": torch.zeros(3, 3, dtype=torch.float64),
}

every_matrix = pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES)


def root(matrix: Tensor) -> Tensor:
    # ε is added here, so that finite differences may step below zero.
    return inverse_root(matrix + EPS * torch.eye(3, dtype=torch.float64), 0.0)


@every_matrix
def test_its_square_is_the_inverse(matrix: Tensor) -> None:
    w = root(matrix)
    shifted = matrix + EPS * torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(w @ w @ shifted, torch.eye(3, dtype=torch.float64))
    torch.testing.assert_close(w, w.mT)


# PyTorch's own warning, when it first loads its forward-mode formulas.
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
@every_matrix
def test_first_and_second_derivatives_are_right_both_ways(matrix: Tensor) -> None:
    leaf = matrix.clone().requires_grad_()
    torch.autograd.gradcheck(root, leaf, check_forward_ad=True, check_batched_grad=True)
    torch.autograd.gradgradcheck(root, leaf, check_fwd_over_rev=True)


def test_the_third_derivative_is_right() -> None:
    upstream, direction = torch.randn(2, 3, 3, dtype=torch.float64)

    def gradient(matrix: Tensor) -> Tensor:
        (found,) = torch.autograd.grad(root(matrix), matrix, upstream, create_graph=True)
        return found

    def curvature(matrix: Tensor) -> Tensor:
        (found,) = torch.autograd.grad(gradient(matrix), matrix, direction, create_graph=True)
        return found

    for matrix in (MATRICES["distinct"], MATRICES["equal"]):
        torch.autograd.gradcheck(curvature, matrix.clone().requires_grad_())


def test_where_eigenvalues_are_equal_the_one_of_eigenvectors_is_not_finite() -> None:
    leaf = MATRICES["equal"].clone().requires_grad_()
    values, vectors = torch.linalg.eigh(leaf)
    naive = vectors @ torch.diag(values.rsqrt()) @ vectors.mT
    upstream = torch.randn(3, 3, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(naive, leaf, upstream)
    assert not gradient.isfinite().all()
    (gradient,) = torch.autograd.grad(inverse_root(leaf, 0.0), leaf, upstream)
    torch.testing.assert_close(gradient, -0.5 * 2**-1.5 * (upstream + upstream.mT) / 2)


def test_only_the_matrix_that_is_not_finite_gives_nan() -> None:
    matrices = torch.stack([MATRICES["distinct"], MATRICES["equal"]])
    matrices[0, 1, 2] = torch.inf
    w = root(matrices)
    assert w[0].isnan().all()
    torch.testing.assert_close(w[1], root(MATRICES["equal"]))


def test_rounding_does_not_make_an_eigenvalue_smaller_than_eps() -> None:
    x = (torch.randn(16, 3) * 1000).requires_grad_()
    w = inverse_root(x @ x.mT, 1e-5)
    (gradient,) = torch.autograd.grad(w.square().sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(gradient.square().sum(), x)
    assert w.isfinite().all()
    assert torch.linalg.eigvalsh(w).max() < 1.01 * 1e-5**-0.5
    assert gradient.isfinite().all()
    assert second.isfinite().all()
