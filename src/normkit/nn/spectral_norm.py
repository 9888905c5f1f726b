"""Spectral normalization of a layer."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.utils import parametrize

from normkit.functional import power_iteration
from normkit.functional import spectral_norm as normalise
from normkit.functional.running import assign_, is_recomputation, unless_recomputed
from normkit.functional.spectral_norm import as_matrix
from normkit.functional.statistics import in_precision_of
from normkit.nn.method import Method
from normkit.nn.parametrization import ModuleT, is_transposed, weight_of

FIRST_ITERATIONS = 15
"""How many iterations a weight begins with, as in PyTorch."""


class SpectralNorm(torch.nn.Module):
    """Weights → weights whose largest singular value is 1; see `spectral_norm`.

    Args:
        weight: the weight as it is now.
        n_power_iterations: how many iterations reading the weight in training makes.
        dim: the axis of the outputs.
        eps: the least length that a vector is divided by.

    >>> weight = torch.diag(torch.tensor([1.0, 4.0]))
    >>> SpectralNorm(weight)(weight)
    tensor([[0.2500, 0.0000],
            [0.0000, 1.0000]])
    """

    _u: Tensor
    _v: Tensor

    def __init__(
        self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        super().__init__()
        if n_power_iterations < 1:
            raise ValueError(
                f"spectral_norm: n_power_iterations must be at least 1; got {n_power_iterations}."
            )
        self.n_power_iterations = n_power_iterations
        self.dim = dim
        self.eps = eps
        rows, columns = as_matrix(weight, dim).shape
        self.register_buffer("_u", weight.new_zeros(rows))
        self.register_buffer("_v", weight.new_zeros(columns))
        self._estimate_(weight)

    def _estimate_(self, weight: Tensor) -> None:
        """Begins anew, for a weight that has nothing to do with the one before."""
        # From one and the same vector, so that torch's random state is left alone. It is random,
        # since one that is chosen by rule can be orthogonal to what is looked for.
        start = torch.randn(
            self._v.shape, generator=torch.Generator("cpu").manual_seed(0), device="cpu"
        )
        with torch.no_grad():
            # Of length 1 even where the weight is zero: nothing ever comes of vectors of zeros.
            self._u.fill_(len(self._u) ** -0.5)
            self._v.copy_(start / start.norm())
        self._iterate_(weight, FIRST_ITERATIONS)

    def _iterate_(self, weight: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Moves the vectors, unless the weight is zero or not finite, and returns them."""
        with torch.no_grad():
            new = power_iteration(weight, self._u, self._v, self.dim, count, self.eps)
            moves = new[0].isfinite().all() & new[1].isfinite().all() & new[1].any()
            moves = unless_recomputed(moves)
            u, v = (
                torch.where(moves, vector, in_precision_of(vector, old))
                for vector, old in zip(new, (self._u, self._v), strict=True)
            )
            assign_(self._u, in_precision_of(self._u, u))
            assign_(self._v, in_precision_of(self._v, v))
        return u, v

    def forward(self, weight: Tensor) -> Tensor:
        """Returns Ŵ."""
        if self.training and not is_recomputation():
            u, v = self._iterate_(weight, self.n_power_iterations)
        else:
            # Copies, since the next iteration may come before the gradients of this one.
            u, v = self._u.clone(), self._v.clone()
        return normalise(weight, u, v, self.dim)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """What an assigned weight is kept as: itself. Its singular vectors are looked for anew."""
        self._estimate_(weight)
        return weight

    def extra_repr(self) -> str:
        return f"n_power_iterations={self.n_power_iterations}, dim={self.dim}, eps={self.eps}"


def spectral_norm(
    module: ModuleT,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> ModuleT:
    """Divides the weights of a layer by their largest singular value.

    Ŵ = W / σ, σ = uᵀ · W · v, with W as a matrix whose rows are the output channels. W is what is
    trained, under the key `parametrizations.weight.original`; u and v are buffers, the keys as in
    PyTorch. Whenever the weight is read in training they come closer to its singular vectors by
    a power iteration; a recomputation, as activation checkpointing makes it, and a weight that is
    zero or not finite leave them as they are. No gradient goes through them.

    The matrix is not the convolution: of a kernel of k positions the convolution stretches by up to
    √k times as much.

    Args:
        module: a convolution, transposed convolution or linear layer; changed in place.
        name: of its weight.
        n_power_iterations: how many iterations reading the weight in training makes.
        eps: the least length that a vector is divided by.
        dim: the axis of the outputs; None is 1 for transposed convolutions and 0 for others. Of a
            convolution in groups the rows of all groups make one matrix, as in PyTorch.

    Returns:
        The module.

    Raises:
        TypeError: a weight that is not floating-point.
        ValueError: no weight of that name; fewer than two axes, or not the axis `dim`; no
            iterations.

    >>> conv = spectral_norm(torch.nn.Conv2d(8, 16, 3), n_power_iterations=100)
    >>> torch.linalg.matrix_norm(conv.weight.flatten(1), 2).allclose(torch.tensor(1.0), rtol=1e-3)
    True

    Paper: Miyato, Kataoka, Koyama and Yoshida, "Spectral Normalization for Generative Adversarial
    Networks", 2018, https://arxiv.org/abs/1802.05957
    """
    weight = weight_of("spectral_norm", module, name)
    if dim is None:
        dim = 1 if is_transposed(module) else 0
    parametrization = SpectralNorm(weight, n_power_iterations, dim, eps)
    # Unsafe leaves out a check that would read the weight, and so iterate.
    parametrize.register_parametrization(module, name, parametrization, unsafe=True)
    return module


METHOD = Method(
    name="spectral_norm",
    title="spectral normalization",
    year=2018,
    paper="Miyato, Kataoka, Koyama and Yoshida, Spectral Normalization for Generative Adversarial "
    "Networks, https://arxiv.org/abs/1802.05957",
    axes="weights: all",
    state_dict=(
        "parametrizations.weight.original",
        "parametrizations.weight.0._u",
        "parametrizations.weight.0._v",
    ),
    layers={1: spectral_norm, 2: spectral_norm, 3: spectral_norm},
    needs="nothing",
    when="Discriminators of generative adversarial networks.",
    on="weights",
    channels=None,
    affine=None,
)
