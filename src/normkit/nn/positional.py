"""Positional normalization layer."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from normkit.functional import Activation, positional_norm
from normkit.nn.activation import Activated
from normkit.nn.affine import Affine
from normkit.nn.method import Method


class PositionalNorm(Activated, Affine):
    """Positional normalization of `(N, C, *)`, over the channels at each position.

    y = act(γ · (x − μ) / √(σ² + ε) + β + residual), with μ and σ² per sample and position. The
    paper has no γ and β, and neither has this layer unless `affine` is on; with them it is
    `LayerNorm1d`, `2d` or `3d`. In their place a later layer is given the moments back, by
    `normkit.functional.positional_norm_with_moments` and `moment_shortcut`.

    Args:
        num_channels: C.
        eps: ε, added to the variance.
        affine: whether γ and β exist.
        device: as in PyTorch.
        dtype: as in PyTorch.
        act: the activation: None, a name, or a module or function.

    Raises:
        ValueError: an input with one channel or, where γ and β exist, another number of channels;
            a residual of another shape.

    >>> import torch
    >>> PositionalNorm(16, act="relu")(torch.randn(8, 16, 4, 4)).shape
    torch.Size([8, 16, 4, 4])

    Paper: Li, Wu, Weinberger and Belongie, "Positional Normalization", 2019,
    https://arxiv.org/abs/1907.04312
    """

    _shown = "{num_channels}, eps={eps}, affine={affine}"

    def __init__(
        self,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        act: Activation = None,
    ) -> None:
        super().__init__()
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self._set_affine(num_channels, affine, affine, device, dtype)
        self._set_activation(act)
        self.reset_parameters()

    def forward(self, input: Tensor, residual: Tensor | None = None) -> Tensor:  # noqa: A002
        """Returns `act(norm(input) + residual)`."""
        return positional_norm(
            input, self.weight, self.bias, self.eps, act=self.act, residual=residual
        )


METHOD = Method(
    name="positional",
    title="positional normalization",
    year=2019,
    paper="Li, Wu, Weinberger and Belongie, Positional Normalization, "
    "https://arxiv.org/abs/1907.04312",
    axes="C",
    state_dict=(),
    layers={1: PositionalNorm, 2: PositionalNorm, 3: PositionalNorm},
    needs="more than one channel",
    when="Image generation, where a later layer is given the moments back; without γ and β.",
    standardises="position",
    channels="num_channels",
    affine=None,
    fixed={"affine": False},
)
