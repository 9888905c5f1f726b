"""Batch-channel normalization layers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from normkit.functional import Activation
from normkit.functional.batch_channel import batch_channel_norm, batch_channel_norm_of_batch
from normkit.functional.checks import check_channels
from normkit.functional.group import check_groups
from normkit.nn.activation import Activated
from normkit.nn.affine import Affine
from normkit.nn.group import default_groups
from normkit.nn.method import Method
from normkit.nn.running import RunningStatistics


class BatchChannelNorm(Activated, RunningStatistics, Affine):
    """Batch normalization of `(N, C, *)`, then group normalization of what comes out of it.

    y = act(γ · (z − μ_g) / √(σ²_g + ε) + β + residual), z = γ_b · (x − μ_b) / √(σ²_b + ε) + β_b,
    with μ_b and σ²_b of the batch, in evaluation the running statistics, and μ_g and σ²_g per
    sample and group. Batch normalization keeps channels from dying, which group normalization
    alone does not; group normalization makes up for running statistics that are off. It is the
    paper's variant for batches that hold enough values; the one that estimates the batch's
    statistics for micro-batches is not here.

    Args:
        num_groups: G, a divisor of C.
        num_channels: C.
        eps: ε, added to both variances.
        momentum: how far the running statistics move towards the batch's; None takes the
            cumulative average.
        affine: whether γ, β, γ_b and β_b exist.
        track_running_stats: whether running statistics are kept; without them evaluation uses the
            batch's too.
        device: as in PyTorch.
        dtype: as in PyTorch.
        act: the activation: None, a name, or a module or function.

    Raises:
        ValueError: G does not divide C; an input with another number of channels, with one value
            per channel in training, or one value per group; a residual of another shape.

    >>> BatchChannelNorm(4, 16, act="relu")(torch.randn(8, 16, 4, 4)).shape
    torch.Size([8, 16, 4, 4])

    Paper: Qiao, Wang, Liu, Shen and Yuille, "Rethinking Normalization and Elimination Singularity
    in Neural Networks", 2019, https://arxiv.org/abs/1911.09738
    """

    _shown = (
        "{num_groups}, {num_channels}, eps={eps}, momentum={momentum}, affine={affine}, "
        "track_running_stats={track_running_stats}"
    )

    batch_weight: torch.nn.Parameter | None
    batch_bias: torch.nn.Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        act: Activation = None,
    ) -> None:
        check_groups(num_groups, num_channels, "BatchChannelNorm")
        super().__init__()
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        for name in ("batch_weight", "batch_bias"):
            vector = torch.empty(num_channels, device=device, dtype=dtype) if affine else None
            self.register_parameter(name, None if vector is None else torch.nn.Parameter(vector))
        self._set_affine(num_channels, affine, affine, device, dtype)
        self._set_running(num_channels, track_running_stats, device, dtype)
        self._set_activation(act)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Gives γ, β, γ_b, β_b and the running statistics the values that they start at."""
        super().reset_parameters()
        self.reset_running_stats()
        if self.batch_weight is not None and self.batch_bias is not None:
            torch.nn.init.ones_(self.batch_weight)
            torch.nn.init.zeros_(self.batch_bias)

    def forward(
        self,
        input: Tensor,  # noqa: A002
        residual: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Returns `act(norm(input) + residual)`; only what `mask` keeps is in the statistics."""
        check_channels(type(self).__name__, input, self.num_channels)
        ending: dict[str, Any] = {"act": self.act, "residual": residual, "mask": mask}
        vectors = (self.batch_weight, self.batch_bias, self.weight, self.bias)
        if self.training or (self.running_mean is None and self.running_var is None):
            y, moments = batch_channel_norm_of_batch(
                input, self.num_groups, *vectors, self.eps, **ending
            )
            if self.training and self.track_running_stats:
                self._track_(moments)
            return y
        return batch_channel_norm(
            input,
            self.num_groups,
            self.running_mean,
            self.running_var,
            *vectors,
            eps=self.eps,
            **ending,
        )


METHOD = Method(
    name="batch_channel",
    title="batch-channel normalization",
    year=2019,
    paper="Qiao, Wang, Liu, Shen and Yuille, Rethinking Normalization and Elimination Singularity "
    "in Neural Networks, https://arxiv.org/abs/1911.09738",
    axes="N, *, then C / G, *",
    state_dict=(
        "batch_weight",
        "batch_bias",
        "weight",
        "bias",
        "running_mean",
        "running_var",
        "num_batches_tracked",
    ),
    layers={1: BatchChannelNorm, 2: BatchChannelNorm, 3: BatchChannelNorm},
    needs="more than one value per channel in training, and per group",
    when="With weight standardization, for detection and segmentation.",
    channels="num_channels",
    defaults=lambda channels: {"num_groups": default_groups(channels)},
)
