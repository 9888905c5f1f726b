"""Instance normalization layers."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.instancenorm import _InstanceNorm

from normkit.functional import Activation, instance_norm
from normkit.functional.checks import check_rank_unbatched
from normkit.functional.instance import instance_norm_of_input
from normkit.nn.activation import Activated
from normkit.nn.method import Method
from normkit.nn.running import RunningStatistics


class InstanceNormLayer(Activated, RunningStatistics, _InstanceNorm):
    """What the instance normalization layers of all dimensions have in common."""

    _spatial: int
    _joins_batches = False

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
        act: Activation = None,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype)
        if not bias:
            self.register_parameter("bias", None)
        self._set_activation(act)

    def forward(
        self,
        input: Tensor,  # noqa: A002
        residual: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Returns `act(norm(input) + residual)`; only what `mask` keeps is in the statistics."""
        check_rank_unbatched(type(self).__name__, input, self._spatial)
        if input.ndim == self._spatial + 1:
            self._check_channels(input, axis=0)
            one = [None if x is None else x.unsqueeze(0) for x in (residual, mask)]
            return self._normalise(input.unsqueeze(0), *one).squeeze(0)
        self._check_channels(input, axis=1)
        return self._normalise(input, residual, mask)

    def _normalise(self, x: Tensor, residual: Tensor | None, mask: Tensor | None) -> Tensor:
        ending: dict[str, Any] = {"act": self.act, "residual": residual, "mask": mask}
        if self.training and self.track_running_stats:
            y, moments = instance_norm_of_input(x, self.weight, self.bias, self.eps, **ending)
            self._track_(moments)
            return y
        given = (self.running_mean, self.running_var) if self.track_running_stats else (None, None)
        return instance_norm(
            x,
            *given,
            self.weight,
            self.bias,
            use_input_stats=not self.track_running_stats,
            eps=self.eps,
            **ending,
        )

    def _check_channels(self, x: Tensor, axis: int) -> None:
        if x.shape[axis] == self.num_features:
            return
        message = (
            f"{type(self).__name__} was made for {self.num_features} channels and got "
            f"{x.shape[axis]}, on axis {axis} of an input of shape {tuple(x.shape)}."
        )
        if self.affine or self.track_running_stats:
            if axis == 0:
                message += (
                    " An input of this rank is read as one sample without a batch axis; features "
                    "(N, C) without positions cannot be normalised per instance, for each "
                    "channel of a sample has one value."
                )
            raise ValueError(message)
        # PyTorch lets this pass too: without parameters the number of channels is not used.
        warnings.warn(message, stacklevel=3)


class InstanceNorm1d(InstanceNormLayer, torch.nn.InstanceNorm1d):
    """Instance normalization of `(N, C, L)` or `(C, L)`, over the positions of each channel.

    y = act(γ · (x − μ) / √(σ² + ε) + β + residual), with μ and σ² per sample and channel.

    Args:
        num_features: C.
        eps: ε, added to the variance.
        momentum: how far the running statistics move towards the input's.
        affine: whether γ and β exist; off unless asked for, as in PyTorch.
        track_running_stats: whether running statistics are kept and used in evaluation.
        device: as in PyTorch.
        dtype: as in PyTorch.
        bias: whether β exists, where `affine` is on.
        act: the activation: None, a name, or a module or function.

    Raises:
        ValueError: an input of another rank or number of channels, or with one value per channel
            and sample; a residual of another shape.

    >>> InstanceNorm1d(16, act="relu")(torch.randn(8, 16, 10)).shape
    torch.Size([8, 16, 10])

    Paper: Ulyanov, Vedaldi and Lempitsky, "Instance Normalization", 2016,
    https://arxiv.org/abs/1607.08022
    """

    _spatial = 1


class InstanceNorm2d(InstanceNormLayer, torch.nn.InstanceNorm2d):
    """Instance normalization of `(N, C, H, W)` or `(C, H, W)`; see `InstanceNorm1d`.

    >>> InstanceNorm2d(16)(torch.randn(8, 16, 4, 4)).shape
    torch.Size([8, 16, 4, 4])
    """

    _spatial = 2


class InstanceNorm3d(InstanceNormLayer, torch.nn.InstanceNorm3d):
    """Instance normalization of `(N, C, D, H, W)` or `(C, D, H, W)`; see `InstanceNorm1d`.

    >>> InstanceNorm3d(16)(torch.randn(8, 16, 2, 4, 4)).shape
    torch.Size([8, 16, 2, 4, 4])
    """

    _spatial = 3


METHOD = Method(
    name="instance",
    title="instance normalization",
    year=2016,
    paper="Ulyanov, Vedaldi and Lempitsky, Instance Normalization, "
    "https://arxiv.org/abs/1607.08022",
    axes="*",
    state_dict=("weight", "bias"),
    layers={1: InstanceNorm1d, 2: InstanceNorm2d, 3: InstanceNorm3d},
    needs="more than one position",
    needs_positions=True,
    when="Style transfer and image generation, where contrast must not matter.",
    standardises="instance",
)
