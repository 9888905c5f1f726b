"""The inverse square root of a matrix, with derivatives that are finite everywhere.

The derivatives of eigenvectors divide by the differences of the eigenvalues, which may be zero;
those of the inverse square root W of S = D Λ Dᵀ do not. As S moves along B, W moves along

    K(B) = D (F ∘ Dᵀ B D) Dᵀ,   Fᵢⱼ = −1 / (√λᵢ √λⱼ (√λᵢ + √λⱼ)),

and as K is its own transpose, the derivative forwards and backwards is the same function.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from normkit.functional.whitening import in_full_precision


def inverse_root(matrix: Tensor, eps: float) -> Tensor:
    """(M + εI)^(−1/2), of the symmetric part M of each matrix of `(*, d, d)`.

    It can be differentiated any number of times, also where eigenvalues are equal.

    Args:
        matrix: symmetric and positive semidefinite but for rounding; one that is not finite gives
            NaN.
        eps: ε. No eigenvalue of M + εI counts as smaller, which rounding could make it.

    >>> inverse_root(torch.diag(torch.tensor([3.0, 8.0])), 1.0).diagonal()
    tensor([0.5000, 0.3333])
    """
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    # Half of the matrix and half of its transpose, so that gradients are symmetric too.
    return _root(0.5 * (matrix + matrix.mT) + eps * identity, eps)


def _root(matrix: Tensor, least: float) -> Tensor:
    # torch.compile refuses a function with a tangent of its own.
    function = _Root if torch.compiler.is_compiling() else _RootWithTangent
    root: Tensor = function.apply(matrix, least)[0]  # type: ignore[no-untyped-call]
    return root


def _derivative(
    matrix: Tensor, along: Tensor, values: Tensor, vectors: Tensor, least: float
) -> Tensor:
    """K(B), for S, B, and the eigenvalues and eigenvectors of S."""
    function = _Derivative if torch.compiler.is_compiling() else _DerivativeWithTangent
    derivative: Tensor = function.apply(  # type: ignore[no-untyped-call]
        matrix, along, values, vectors, least
    )
    return derivative


def _second_derivative(
    matrix: Tensor, b: Tensor, c: Tensor, values: Tensor, vectors: Tensor, least: float
) -> Tensor:
    """How K(B) moves as S moves along C, which is the same with B and C exchanged.

    With A = S W, the square root, A K(B) + K(B) A = −W B W. That equation moves along C too:
    A X + X A = −R for the X sought, with R = K(C) B W + W B K(C) + K(B) A′ + A′ K(B) and
    A′ = C W + S K(C). The first equation solves the second: X = K(A R A).
    """
    with in_full_precision(matrix):
        w = _root(matrix, least)
        k_b = _derivative(matrix, b, values, vectors, least)
        k_c = _derivative(matrix, c, values, vectors, least)
        a = matrix @ w
        a_moved = c @ w + matrix @ k_c
        r = k_c @ b @ w + w @ b @ k_c + k_b @ a_moved + a_moved @ k_b
        return _derivative(matrix, a @ r @ a, values, vectors, least)


class _Root(torch.autograd.Function):
    """S → W, and the eigenvalues and eigenvectors of S, which count as constants."""

    generate_vmap_rule = True

    @staticmethod
    def forward(matrix: Tensor, least: float) -> tuple[Tensor, Tensor, Tensor]:
        finite = matrix.isfinite().all(-1, keepdim=True).all(-2, keepdim=True)
        identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
        # The decomposition may raise where a value is not finite.
        values, vectors = torch.linalg.eigh(torch.where(finite, matrix, identity))
        values = values.clamp(min=least)
        with in_full_precision(matrix):
            root = (vectors * values.rsqrt().unsqueeze(-2)) @ vectors.mT
        return torch.where(finite, root, float("nan")), values, vectors

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        matrix, ctx.least = inputs
        _, values, vectors = output
        ctx.mark_non_differentiable(values, vectors)
        ctx.save_for_backward(matrix, values, vectors)
        ctx.save_for_forward(matrix, values, vectors)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor, *constant: Tensor) -> tuple[Tensor, None]:
        matrix, values, vectors = ctx.saved_tensors
        return _derivative(matrix, upstream, values, vectors, ctx.least), None


class _RootWithTangent(_Root):
    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *constant: None) -> tuple[Tensor, None, None]:
        matrix, values, vectors = ctx.saved_tensors
        return _derivative(matrix, tangent, values, vectors, ctx.least), None, None


class _Derivative(torch.autograd.Function):
    """S, B, and the eigenvalues and eigenvectors of S → K(B)."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        matrix: Tensor, along: Tensor, values: Tensor, vectors: Tensor, least: float
    ) -> Tensor:
        roots = values.sqrt()
        left, right = roots.unsqueeze(-1), roots.unsqueeze(-2)
        with in_full_precision(matrix):
            inner = (vectors.mT @ along @ vectors) / (left * right * (left + right))
            return -(vectors @ inner @ vectors.mT)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        *tensors, ctx.least = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        matrix, along, values, vectors = ctx.saved_tensors
        of_matrix = _second_derivative(matrix, along, upstream, values, vectors, ctx.least)
        of_along = _derivative(matrix, upstream, values, vectors, ctx.least)
        return of_matrix, of_along, None, None, None


class _DerivativeWithTangent(_Derivative):
    @staticmethod
    def jvp(ctx: Any, of_matrix: Tensor, of_along: Tensor, *constant: None) -> Tensor:
        matrix, along, values, vectors = ctx.saved_tensors
        moved = _second_derivative(matrix, along, of_matrix, values, vectors, ctx.least)
        return moved + _derivative(matrix, of_along, values, vectors, ctx.least)
