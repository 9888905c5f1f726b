"""Local context normalization layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from normkit.functional import Activation, local_context_norm
from normkit.functional.checks import check_channels, check_rank
from normkit.functional.local_context import check_channels_per_group, window_sizes
from normkit.nn.activation import Activated
from normkit.nn.affine import Affine
from normkit.nn.method import Method


class _LocalContextNormLayer(Activated, Affine):
    _spatial: int
    _shown = (
        "{num_channels}, channels_per_group={channels_per_group}, window_size={window_size}, "
        "eps={eps}, affine={affine}"
    )

    def __init__(
        self,
        num_channels: int,
        channels_per_group: int = 2,
        window_size: int | Sequence[int] = 227,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        act: Activation = None,
    ) -> None:
        name = type(self).__name__
        check_channels_per_group(channels_per_group, num_channels, name)
        super().__init__()
        self.num_channels = num_channels
        self.channels_per_group = channels_per_group
        self.window_size = window_sizes(window_size, self._spatial, name)
        self.eps = eps
        self.affine = affine
        self._set_affine(num_channels, affine, affine, device, dtype)
        self._set_activation(act)
        self.reset_parameters()

    def forward(self, input: Tensor, residual: Tensor | None = None) -> Tensor:  # noqa: A002
        """Returns `act(norm(input) + residual)`."""
        check_rank(type(self).__name__, input, self._spatial)
        check_channels(type(self).__name__, input, self.num_channels)
        return local_context_norm(
            input,
            self.channels_per_group,
            self.window_size[: input.ndim - 2],
            self.weight,
            self.bias,
            self.eps,
            act=self.act,
            residual=residual,
        )


class LocalContextNorm1d(_LocalContextNormLayer):
    """Local context normalization of `(N, C)` or `(N, C, L)`, over a window and a group.

    y = act(γ · (x − μ) / √(σ² + ε) + β + residual), with μ and σ² per sample, group and position,
    over the channels of the group and a window of positions, and γ and β per channel. On a map that
    is not larger than the window it is group normalization. At the borders the window is cut, which
    the authors' code does not do; see `normkit.functional.local_context_norm`.

    Args:
        num_channels: C.
        channels_per_group: how many channels a group has, a divisor of C.
        window_size: of each axis of positions, or of all. The default, which is the authors', is
            meant for maps about as large as a photograph: choose one for yours.
        eps: ε, added to the variance.
        affine: whether γ and β exist.
        device: as in PyTorch.
        dtype: as in PyTorch.
        act: the activation: None, a name, or a module or function.

    Raises:
        ValueError: groups that do not divide C; sizes below 1, or not one per axis; an input of
            another rank or number of channels, or with a single value in a window; a residual of
            another shape.

    >>> import torch
    >>> LocalContextNorm1d(16, window_size=5, act="relu")(torch.randn(8, 16, 10)).shape
    torch.Size([8, 16, 10])

    Paper: Ortiz et al., "Local Context Normalization: Revisiting Local Normalization", 2020,
    https://arxiv.org/abs/1912.05845
    """

    _spatial = 1


class LocalContextNorm2d(_LocalContextNormLayer):
    """Local context normalization of `(N, C, H, W)`; see `LocalContextNorm1d`.

    >>> import torch
    >>> LocalContextNorm2d(16, window_size=(5, 3))(torch.randn(8, 16, 9, 9)).shape
    torch.Size([8, 16, 9, 9])
    """

    _spatial = 2


class LocalContextNorm3d(_LocalContextNormLayer):
    """Local context normalization of `(N, C, D, H, W)`; see `LocalContextNorm1d`.

    >>> import torch
    >>> LocalContextNorm3d(16, window_size=3)(torch.randn(8, 16, 5, 5, 5)).shape
    torch.Size([8, 16, 5, 5, 5])
    """

    _spatial = 3


def default_channels_per_group(channels: int) -> int:
    """Two, as the authors have it, or the smallest larger divisor of the channels.

    >>> [default_channels_per_group(channels) for channels in (1, 2, 7, 9, 16)]
    [1, 2, 7, 3, 2]
    """
    return next((size for size in range(2, channels + 1) if channels % size == 0), 1)


METHOD = Method(
    name="local_context",
    title="local context normalization",
    year=2020,
    paper="Ortiz et al., Local Context Normalization: Revisiting Local Normalization, "
    "https://arxiv.org/abs/1912.05845",
    axes="C / G, * in a window",
    state_dict=("weight", "bias"),
    layers={1: LocalContextNorm1d, 2: LocalContextNorm2d, 3: LocalContextNorm3d},
    needs="more than one value per window",
    when="Large maps whose parts differ, such as satellite images; choose the window.",
    channels="num_channels",
    defaults=lambda channels: {"channels_per_group": default_channels_per_group(channels)},
)
