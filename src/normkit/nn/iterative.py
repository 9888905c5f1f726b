"""Iterative normalization layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from normkit.functional import Activation
from normkit.functional.iterative import check_iterations, iterative_norm_of_batch, newton_root
from normkit.functional.statistics import Moments
from normkit.nn.method import Method
from normkit.nn.whitening import WhiteningLayer


class IterativeNormLayer(WhiteningLayer):
    """What the iterative normalization layers of all dimensions have in common."""

    _at_most = 64
    _function = "iterative_norm"

    iterations: int = 5

    _shown = (
        "{num_features}, num_groups={num_groups}, iterations={iterations}, eps={eps}, "
        "momentum={momentum}, affine={affine}, track_running_stats={track_running_stats}"
    )

    def __init__(
        self,
        num_features: int,
        num_groups: int | None = None,
        iterations: int = 5,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        act: Activation = None,
    ) -> None:
        check_iterations(iterations, type(self).__name__)
        super().__init__(
            num_features,
            num_groups,
            eps,
            momentum,
            affine,
            track_running_stats,
            device,
            dtype,
            act=act,
        )
        self.iterations = iterations
        self.reset_running_stats()

    def _of_batch(self, x: Tensor, ending: Mapping[str, Any]) -> tuple[Tensor, Moments]:
        return iterative_norm_of_batch(
            x, self.weight, self.bias, self.eps, self.num_groups, self.iterations, **ending
        )

    def _project(self, covariance: Tensor) -> Tensor:
        return newton_root(covariance, self.eps, self.iterations)


class IterativeNorm1d(IterativeNormLayer):
    """Iterative normalization of `(N, C)` or `(N, C, L)`: whitens groups of channels in part.

    y = act(γ · W (x − μ) + β + residual), with W near (Σ + εI)^(−1/2) after T Newton iterations,
    and Σ the covariance of the channels of a group over the batch and all positions. In evaluation
    μ and Σ are the running statistics; the paper averages W, and `normkit.functional.whitening`
    tells why this does not. `normkit.functional.iterative_norm` has the iteration.

    Args:
        num_features: C.
        num_groups: G, a divisor of C; None takes the fewest that leave at most 64 channels each.
        iterations: T; more whiten more, and fewer are safer with small batches.
        eps: ε, added to the eigenvalues of Σ.
        momentum: how far the running statistics move towards the batch's; None takes the
            cumulative average.
        affine: whether γ and β exist.
        track_running_stats: whether running statistics are kept; without them evaluation uses the
            batch's too.
        device: as in PyTorch.
        dtype: as in PyTorch.
        act: the activation: None, a name, or a module or function.

    Raises:
        ValueError: G does not divide C; T below 0; an input of another rank or number of channels,
            or with one value per channel in training; a residual of another shape.

    >>> import torch
    >>> IterativeNorm1d(16, act="relu")(torch.randn(64, 16)).shape
    torch.Size([64, 16])

    Paper: Huang, Zhou, Zhu, Liu and Shao, "Iterative Normalization: Beyond Standardization
    towards Efficient Whitening", 2019, https://arxiv.org/abs/1904.03441
    """

    _spatial = 1


class IterativeNorm2d(IterativeNormLayer):
    """Iterative normalization of `(N, C, H, W)`; see `IterativeNorm1d`.

    >>> import torch
    >>> IterativeNorm2d(16, iterations=3)(torch.randn(8, 16, 4, 4)).shape
    torch.Size([8, 16, 4, 4])
    """

    _spatial = 2


class IterativeNorm3d(IterativeNormLayer):
    """Iterative normalization of `(N, C, D, H, W)`; see `IterativeNorm1d`.

    >>> import torch
    >>> IterativeNorm3d(16)(torch.randn(8, 16, 2, 4, 4)).shape
    torch.Size([8, 16, 2, 4, 4])
    """

    _spatial = 3


METHOD = Method(
    name="iterative",
    title="iterative normalization",
    year=2019,
    paper="Huang, Zhou, Zhu, Liu and Shao, Iterative Normalization, "
    "https://arxiv.org/abs/1904.03441",
    axes="N, C / G, *",
    state_dict=(
        "weight",
        "bias",
        "running_mean",
        "running_covariance",
        "running_projection",
        "num_batches_tracked",
    ),
    layers={1: IterativeNorm1d, 2: IterativeNorm2d, 3: IterativeNorm3d},
    needs="more than one value per channel in training",
    when="In place of decorrelated_batch: without eigenvalues, and safer with small batches.",
)
