"""EvoNorm-S0 layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from normkit.functional import Activation
from normkit.functional.checks import check_channels
from normkit.functional.evonorm_s0 import evonorm_s0
from normkit.functional.group import check_groups
from normkit.nn.activation import Activated
from normkit.nn.affine import Affine
from normkit.nn.group import default_groups
from normkit.nn.method import Method


class EvoNormS0(Activated, Affine):
    """EvoNorm-S0 of `(N, C, *)`: normalization over groups of channels, and activation, as one.

    y = act(γ · x · sigmoid(v · x) / √(σ² + ε) + β + residual), with σ² per sample and group over
    `(C / G, *)`. It takes the place of a norm and its activation.

    Args:
        num_groups: G, a divisor of C.
        num_channels: C.
        eps: ε, added to the variance.
        affine: whether γ and β exist.
        gate: whether the factor sigmoid(v · x) exists, with v per channel, which starts at one.
        device: as in PyTorch.
        dtype: as in PyTorch.
        act: a further activation: None, a name, or a module or function.

    Raises:
        ValueError: G does not divide C; an input with another number of channels or one value per
            group; a residual of another shape.

    >>> EvoNormS0(4, 16)(torch.randn(8, 16, 4, 4)).shape
    torch.Size([8, 16, 4, 4])

    Paper: Liu, Brock, Simonyan and Le, "Evolving Normalization-Activation Layers", 2020,
    https://arxiv.org/abs/2004.02967
    """

    _shown = "{num_groups}, {num_channels}, eps={eps}, affine={affine}, gate={gate}"

    v: torch.nn.Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        gate: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        act: Activation = None,
    ) -> None:
        check_groups(num_groups, num_channels, "EvoNormS0")
        super().__init__()
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self.gate = gate
        self._set_affine(num_channels, affine, affine, device, dtype)
        vector = torch.empty(num_channels, device=device, dtype=dtype) if gate else None
        self.register_parameter("v", None if vector is None else torch.nn.Parameter(vector))
        self._set_activation(act)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Gives γ, β and v the values that they start at."""
        super().reset_parameters()
        if self.v is not None:
            torch.nn.init.ones_(self.v)

    def forward(
        self,
        input: Tensor,  # noqa: A002
        residual: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Returns `act(norm(input) + residual)`; only what `mask` keeps is in the statistics."""
        check_channels(type(self).__name__, input, self.num_channels)
        return evonorm_s0(
            input,
            self.num_groups,
            self.weight,
            self.bias,
            self.v,
            self.eps,
            act=self.act,
            residual=residual,
            mask=mask,
        )


METHOD = Method(
    name="evonorm_s0",
    title="EvoNorm-S0, normalization and activation as one",
    year=2020,
    paper="Liu, Brock, Simonyan and Le, Evolving Normalization-Activation Layers, "
    "https://arxiv.org/abs/2004.02967",
    axes="C / G, *",
    state_dict=("weight", "bias", "v"),
    layers={1: EvoNormS0, 2: EvoNormS0, 3: EvoNormS0},
    needs="more than one value per group",
    activates=True,
    when="Batches of any size, in place of norm and activation together.",
    channels="num_channels",
    defaults=lambda channels: {"num_groups": default_groups(channels)},
)
