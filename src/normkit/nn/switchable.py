"""Switchable normalization layers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from normkit.functional import Activation
from normkit.functional.checks import check_channels, check_rank
from normkit.functional.switchable import switchable_norm, switchable_norm_of_batch
from normkit.nn.activation import Activated
from normkit.nn.affine import Affine
from normkit.nn.method import Method
from normkit.nn.running import RunningStatistics


class _SwitchableNormLayer(Activated, RunningStatistics, Affine):
    _spatial: int
    _shown = (
        "{num_features}, eps={eps}, momentum={momentum}, affine={affine}, "
        "track_running_stats={track_running_stats}"
    )

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
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
        self.track_running_stats = track_running_stats
        self._set_affine(num_features, affine, affine, device, dtype)
        self.mean_weight = torch.nn.Parameter(torch.empty(3, device=device, dtype=dtype))
        self.var_weight = torch.nn.Parameter(torch.empty(3, device=device, dtype=dtype))
        self._set_running(num_features, track_running_stats, device, dtype)
        self._set_activation(act)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Gives γ, β, the mixture and the running statistics the values that they start at."""
        super().reset_parameters()
        self.reset_running_stats()
        torch.nn.init.ones_(self.mean_weight)
        torch.nn.init.ones_(self.var_weight)

    def forward(
        self,
        input: Tensor,  # noqa: A002
        residual: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Returns `act(norm(input) + residual)`; only what `mask` keeps is in the statistics."""
        check_rank(type(self).__name__, input, self._spatial)
        check_channels(type(self).__name__, input, self.num_features)
        mixture = (self.mean_weight, self.var_weight)
        ending: dict[str, Any] = {"act": self.act, "residual": residual, "mask": mask}
        if self.training or (self.running_mean is None and self.running_var is None):
            y, moments = switchable_norm_of_batch(
                input, *mixture, self.weight, self.bias, self.eps, **ending
            )
            if self.training and self.track_running_stats:
                self._track_(moments)
            return y
        return switchable_norm(
            input,
            *mixture,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            eps=self.eps,
            **ending,
        )


class SwitchableNorm1d(_SwitchableNormLayer):
    """Switchable normalization of `(N, C, L)`: a learned mixture of three methods.

    y = act(γ · (x − Σₖ wₖ μₖ) / √(Σₖ w'ₖ σ²ₖ + ε) + β + residual), for k instance, layer and batch
    normalization, with w and w' the softmax of `mean_weight` and `var_weight`, which start equal.
    In evaluation the batch's statistics are the running ones.

    Args:
        num_features: C.
        eps: ε, added to the variance.
        momentum: how far the running statistics move towards the batch's; None takes the
            cumulative average.
        affine: whether γ and β exist.
        track_running_stats: whether running statistics are kept; without them evaluation uses the
            batch's too.
        device: as in PyTorch.
        dtype: as in PyTorch.
        act: the activation: None, a name, or a module or function.

    Raises:
        ValueError: an input of another rank or number of channels, or with one value per channel
            and sample; a residual of another shape.

    >>> SwitchableNorm1d(16, act="relu")(torch.randn(8, 16, 10)).shape
    torch.Size([8, 16, 10])

    Paper: Luo, Ren, Peng, Zhang and Li, "Differentiable Learning-to-Normalize via Switchable
    Normalization", 2018, https://arxiv.org/abs/1806.10779
    """

    _spatial = 1


class SwitchableNorm2d(_SwitchableNormLayer):
    """Switchable normalization of `(N, C, H, W)`; see `SwitchableNorm1d`.

    >>> SwitchableNorm2d(16)(torch.randn(8, 16, 4, 4)).shape
    torch.Size([8, 16, 4, 4])
    """

    _spatial = 2


class SwitchableNorm3d(_SwitchableNormLayer):
    """Switchable normalization of `(N, C, D, H, W)`; see `SwitchableNorm1d`.

    >>> SwitchableNorm3d(16)(torch.randn(8, 16, 2, 4, 4)).shape
    torch.Size([8, 16, 2, 4, 4])
    """

    _spatial = 3


METHOD = Method(
    name="switchable",
    title="switchable normalization",
    year=2018,
    paper="Luo, Ren, Peng, Zhang and Li, Differentiable Learning-to-Normalize via Switchable "
    "Normalization, https://arxiv.org/abs/1806.10779",
    axes="*, C and *, N and *",
    state_dict=(
        "weight",
        "bias",
        "mean_weight",
        "var_weight",
        "running_mean",
        "running_var",
        "num_batches_tracked",
    ),
    layers={1: SwitchableNorm1d, 2: SwitchableNorm2d, 3: SwitchableNorm3d},
    needs="more than one position",
    needs_positions=True,
    when="Where it is not known which of the three fits: each layer learns its mixture.",
)
