"""What the layers that whiten have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from normkit.functional import Activation
from normkit.functional.checks import check_channels, check_rank
from normkit.functional.group import check_groups
from normkit.functional.running import assign_, is_recomputation, update_running_
from normkit.functional.statistics import Moments, in_precision_of
from normkit.functional.whitening import projection_of, whiten_by, whitening_groups
from normkit.nn.activation import Activated
from normkit.nn.affine import Affine
from normkit.nn.running import RunningStatistics


class WhiteningLayer(Activated, RunningStatistics, Affine):
    """Base of the layers that whiten groups of channels, with running statistics.

    `running_projection` belongs to `running_covariance`, and follows whenever a batch moves that;
    who sets the covariance by hand, or averages the buffers of several models, must let a batch of
    training follow.

    A subclass finds the projection of a covariance in `_project`, and normalises a batch in
    `_of_batch`. What moves running statistics is told in `normkit.functional.running`.
    """

    running_covariance: Tensor | None
    running_projection: Tensor | None
    """W of the running covariance, kept so that evaluation is a product of matrices and no more."""

    _spatial: int
    _function: str
    """What errors call the formula."""

    _at_most: int
    """How many channels a group has at most, unless the number of groups is given."""

    _shown = (
        "{num_features}, num_groups={num_groups}, eps={eps}, momentum={momentum}, "
        "affine={affine}, track_running_stats={track_running_stats}"
    )

    def __init__(
        self,
        num_features: int,
        num_groups: int | None = None,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        act: Activation = None,
    ) -> None:
        if num_groups is None:
            num_groups = whitening_groups(num_features, self._at_most)
        check_groups(num_groups, num_features, type(self).__name__)
        super().__init__()
        self.num_features = num_features
        self.num_groups = num_groups
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self._covariance_groups = num_groups
        self._set_affine(num_features, affine, affine, device, dtype)
        self._set_projection(device, dtype)
        self._set_activation(act)
        self.reset_parameters()

    @property
    def _kept(self) -> Tensor | None:
        return self.running_mean

    def _set_projection(self, device: Any, dtype: Any) -> None:
        if not self.track_running_stats:
            for name in ("mean", "covariance", "projection"):
                self.register_buffer(f"running_{name}", None)
            self.register_buffer("num_batches_tracked", None)
            return
        size = self.num_features // self.num_groups
        mean = torch.empty(self.num_features, device=device, dtype=dtype)
        self.register_buffer("running_mean", mean)
        for name in ("covariance", "projection"):
            matrices = torch.empty(self.num_groups, size, size, device=device, dtype=dtype)
            self.register_buffer(f"running_{name}", matrices)
        self.register_buffer("num_batches_tracked", torch.tensor(0, device=device))

    @torch.no_grad()
    def reset_running_stats(self) -> None:
        """Forgets the batches: mean 0, covariance the identity, none counted."""
        if self.running_mean is not None:
            self.running_mean.zero_()
        if self.running_covariance is not None and self.running_projection is not None:
            self.running_covariance.zero_().diagonal(dim1=-2, dim2=-1).fill_(1)
            self.running_projection.copy_(self._projection_of(self.running_covariance))
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Gives γ, β and the running statistics the values that they start at."""
        self.reset_running_stats()
        super().reset_parameters()

    def forward(
        self,
        input: Tensor,  # noqa: A002
        residual: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Returns `act(norm(input) + residual)`; only what `mask` keeps is in the statistics."""
        check_rank(type(self).__name__, input, self._spatial)
        check_channels(type(self).__name__, input, self.num_features)
        ending: dict[str, Any] = {"act": self.act, "residual": residual, "mask": mask}
        if self.training or self.running_mean is None or self.running_projection is None:
            y, moments = self._of_batch(input, ending)
            if self.training and self.track_running_stats:
                self._track_(moments)
            return y
        return whiten_by(
            self._function,
            input,
            self.running_mean,
            self.running_projection,
            self.weight,
            self.bias,
            **ending,
        )

    def _of_batch(self, x: Tensor, ending: Mapping[str, Any]) -> tuple[Tensor, Moments]:
        """What the layer does in training: the output, and what running statistics move by."""
        raise NotImplementedError

    def _project(self, covariance: Tensor) -> Tensor:
        """The projections of covariances, both `(G, d, d)`."""
        raise NotImplementedError

    def _move_(self, moments: Moments, momentum: float | Tensor) -> None:
        covariance, projection = self.running_covariance, self.running_projection
        update_running_(self.running_mean, covariance, moments, momentum, self.num_batches_tracked)
        if covariance is not None and projection is not None and not is_recomputation():
            assign_(projection, self._projection_of(covariance))

    @torch.no_grad()
    def _projection_of(self, covariance: Tensor) -> Tensor:
        return in_precision_of(covariance, projection_of(covariance, self._project))
