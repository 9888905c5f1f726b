"""EvoNorm-B0 layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from normkit.functional import Activation
from normkit.functional.checks import check_channels
from normkit.functional.evonorm_b0 import evonorm_b0, evonorm_b0_of_batch
from normkit.nn.activation import Activated
from normkit.nn.affine import Affine
from normkit.nn.method import Method
from normkit.nn.running import RunningStatistics


class EvoNormB0(Activated, RunningStatistics, Affine):
    """EvoNorm-B0 of `(N, C, *)`: normalization over the batch, and activation, as one.

    y = act(γ · x / max(√(σ²_batch + ε), v · x + √(σ²_instance + ε)) + β + residual), with σ²_batch
    per channel over the batch and all positions, in evaluation the running one, and σ²_instance
    per sample and channel. It takes the place of a norm and its activation.

    Args:
        num_features: C.
        eps: ε, added to both variances.
        momentum: how far the running variance moves towards the batch's; None takes the cumulative
            average.
        affine: whether γ and β exist.
        gate: whether the term v · x exists, with v per channel, which starts at one.
        track_running_stats: whether a running variance is kept; without it evaluation uses the
            batch's too.
        device: as in PyTorch.
        dtype: as in PyTorch.
        act: a further activation: None, a name, or a module or function.

    Raises:
        ValueError: an input with another number of channels, or with one value per channel in
            training; a residual of another shape.

    >>> EvoNormB0(16)(torch.randn(8, 16, 4, 4)).shape
    torch.Size([8, 16, 4, 4])

    Paper: Liu, Brock, Simonyan and Le, "Evolving Normalization-Activation Layers", 2020,
    https://arxiv.org/abs/2004.02967
    """

    _shown = (
        "{num_features}, eps={eps}, momentum={momentum}, affine={affine}, gate={gate}, "
        "track_running_stats={track_running_stats}"
    )

    v: torch.nn.Parameter | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        gate: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        act: Activation = None,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.gate = gate
        self.track_running_stats = track_running_stats
        self._set_affine(num_features, affine, affine, device, dtype)
        vector = torch.empty(num_features, device=device, dtype=dtype) if gate else None
        self.register_parameter("v", None if vector is None else torch.nn.Parameter(vector))
        self._set_running(num_features, track_running_stats, device, dtype, mean=False)
        self._set_activation(act)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Gives γ, β, v and the running variance the values that they start at."""
        super().reset_parameters()
        self.reset_running_stats()
        if self.v is not None:
            torch.nn.init.ones_(self.v)

    def forward(
        self,
        input: Tensor,  # noqa: A002
        residual: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Returns `act(norm(input) + residual)`; only what `mask` keeps is in the statistics."""
        check_channels(type(self).__name__, input, self.num_features)
        vectors = (self.weight, self.bias, self.v)
        if self.training or self.running_var is None:
            y, moments = evonorm_b0_of_batch(
                input, *vectors, self.eps, act=self.act, residual=residual, mask=mask
            )
            if self.training and self.track_running_stats:
                self._track_(moments)
            return y
        return evonorm_b0(
            input,
            self.running_var,
            *vectors,
            eps=self.eps,
            act=self.act,
            residual=residual,
            mask=mask,
        )


METHOD = Method(
    name="evonorm_b0",
    title="EvoNorm-B0, normalization and activation as one",
    year=2020,
    paper="Liu, Brock, Simonyan and Le, Evolving Normalization-Activation Layers, "
    "https://arxiv.org/abs/2004.02967",
    axes="N, *, and *",
    state_dict=("weight", "bias", "v", "running_var", "num_batches_tracked"),
    layers={1: EvoNormB0, 2: EvoNormB0, 3: EvoNormB0},
    needs="more than one value per channel in training",
    activates=True,
    when="Large batches, in place of norm and activation together.",
)
