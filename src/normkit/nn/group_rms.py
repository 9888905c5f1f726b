"""Group root mean square normalization layer."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from normkit.functional import Activation, group_rms_norm
from normkit.functional.checks import check_channels
from normkit.functional.group import check_groups
from normkit.nn.activation import Activated
from normkit.nn.affine import Affine
from normkit.nn.group import default_groups
from normkit.nn.method import Method


class GroupRMSNorm(Activated, Affine):
    """Root mean square normalization of `(N, C, *)`, over the channels of a group and positions.

    y = act(γ · x / √(mean(x²) + ε) + residual), with the mean per sample and group over
    `(C / G, *)`, and γ per channel.

    Args:
        num_groups: G, a divisor of C.
        num_channels: C.
        eps: ε, added to the mean square.
        affine: whether γ exists.
        device: as in PyTorch.
        dtype: as in PyTorch.
        act: the activation: None, a name, or a module or function.

    Raises:
        ValueError: G does not divide C; an input with another number of channels; a residual of
            another shape.

    >>> import torch
    >>> GroupRMSNorm(4, 16, act="relu")(torch.randn(8, 16, 4, 4)).shape
    torch.Size([8, 16, 4, 4])

    Paper: Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019,
    https://arxiv.org/abs/1910.07467; over the groups of Wu and He, "Group Normalization", 2018,
    https://arxiv.org/abs/1803.08494
    """

    _shown = "{num_groups}, {num_channels}, eps={eps}, affine={affine}"

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        act: Activation = None,
    ) -> None:
        check_groups(num_groups, num_channels, "GroupRMSNorm")
        super().__init__()
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self._set_affine(num_channels, affine, False, device, dtype)
        self._set_activation(act)
        self.reset_parameters()

    def forward(
        self,
        input: Tensor,  # noqa: A002
        residual: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Returns `act(norm(input) + residual)`; only what `mask` keeps is in the statistics."""
        check_channels(type(self).__name__, input, self.num_channels)
        return group_rms_norm(
            input,
            self.num_groups,
            self.weight,
            self.eps,
            act=self.act,
            residual=residual,
            mask=mask,
        )


METHOD = Method(
    name="group_rms",
    title="root mean square normalization over groups of channels",
    year=2019,
    paper="Zhang and Sennrich, Root Mean Square Layer Normalization, "
    "https://arxiv.org/abs/1910.07467",
    axes="C / G, *",
    state_dict=("weight",),
    layers={1: GroupRMSNorm, 2: GroupRMSNorm, 3: GroupRMSNorm},
    needs="nothing",
    standardises="sample",
    when="In place of group, where subtracting the mean is not worth its cost.",
    channels="num_channels",
    defaults=lambda channels: {"num_groups": default_groups(channels)},
)
