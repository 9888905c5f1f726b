"""Group normalization layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from normkit.functional import Activation, group_norm
from normkit.functional.checks import check_channels
from normkit.functional.group import check_groups
from normkit.nn.activation import Activated
from normkit.nn.method import Method


class GroupNorm(Activated, torch.nn.GroupNorm):
    """Group normalization of `(N, C, *)`, over the channels of a group and all positions.

    y = act(γ · (x − μ) / √(σ² + ε) + β + residual), with μ and σ² per sample and group. With one
    group it is layer normalization over `(C, *)` with γ and β per channel.

    Args:
        num_groups: G, a divisor of C.
        num_channels: C.
        eps: ε, added to the variance.
        affine: whether γ and β exist.
        device: as in PyTorch.
        dtype: as in PyTorch.
        bias: whether β exists, where `affine` is on.
        act: the activation: None, a name, or a module or function.

    Raises:
        ValueError: G does not divide C; an input with another number of channels or one value per
            group; a residual of another shape.

    >>> GroupNorm(4, 16, act="relu")(torch.randn(8, 16, 4, 4)).shape
    torch.Size([8, 16, 4, 4])

    Paper: Wu and He, "Group Normalization", 2018, https://arxiv.org/abs/1803.08494
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
        act: Activation = None,
    ) -> None:
        check_groups(num_groups, num_channels)
        super().__init__(num_groups, num_channels, eps, affine, device, dtype)
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
        check_channels(type(self).__name__, input, self.num_channels)
        return group_norm(
            input,
            self.num_groups,
            self.weight,
            self.bias,
            self.eps,
            act=self.act,
            residual=residual,
            mask=mask,
        )


def default_groups(channels: int) -> int:
    """The largest divisor of the channels, up to 32, that leaves at least two channels a group.

    >>> [default_groups(channels) for channels in (1, 2, 7, 16, 48, 64, 96)]
    [1, 1, 1, 8, 24, 32, 32]
    """
    return max(
        (g for g in range(1, min(32, channels // 2) + 1) if channels % g == 0),
        default=1,
    )


METHOD = Method(
    name="group",
    title="group normalization",
    year=2018,
    paper="Wu and He, Group Normalization, https://arxiv.org/abs/1803.08494",
    axes="C / G, *",
    state_dict=("weight", "bias"),
    layers={1: GroupNorm, 2: GroupNorm, 3: GroupNorm},
    needs="more than one value per group",
    when="Small batches: detection, segmentation, video, fine-tuning.",
    standardises="sample",
    channels="num_channels",
    defaults=lambda channels: {"num_groups": default_groups(channels)},
)
