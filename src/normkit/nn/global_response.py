"""Global response normalization layers."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from normkit.functional import Activation, global_response_norm
from normkit.functional.checks import check_channels, check_rank
from normkit.nn.activation import Activated
from normkit.nn.affine import Affine
from normkit.nn.method import Method


class _GlobalResponseNormLayer(Activated, Affine):
    _spatial: int
    _first_weight = 0.0
    _shown = "{num_channels}, eps={eps}, affine={affine}"

    def __init__(
        self,
        num_channels: int,
        eps: float = 1e-6,
        affine: bool = True,
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

    def forward(
        self,
        input: Tensor,  # noqa: A002
        residual: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Returns `act(norm(input) + residual)`; only what `mask` keeps is in the statistics."""
        check_rank(type(self).__name__, input, self._spatial)
        check_channels(type(self).__name__, input, self.num_channels)
        return global_response_norm(
            input, self.weight, self.bias, self.eps, act=self.act, residual=residual, mask=mask
        )


class GlobalResponseNorm1d(_GlobalResponseNormLayer):
    """Global response normalization of `(N, C)` or `(N, C, L)`.

    y = act(γ · x · G / (mean(G) + ε) + β + x + residual), with G = √(Σ x²) per sample and channel
    over the positions, its mean over C, and γ and β per channel. γ and β start at 0, where the
    output is the input.

    Args:
        num_channels: C.
        eps: ε, added to the mean of G.
        affine: whether γ and β exist; without them γ is 1 and β is 0.
        device: as in PyTorch.
        dtype: as in PyTorch.
        act: the activation: None, a name, or a module or function.

    Raises:
        ValueError: an input of another rank or, where γ and β exist, another number of channels;
            a residual of another shape.

    >>> import torch
    >>> layer, x = GlobalResponseNorm1d(16), torch.randn(8, 16, 10)
    >>> torch.equal(layer(x), x)
    True

    Paper: Woo et al., "ConvNeXt V2: Co-designing and Scaling ConvNets with Masked Autoencoders",
    2023, https://arxiv.org/abs/2301.00808
    """

    _spatial = 1


class GlobalResponseNorm2d(_GlobalResponseNormLayer):
    """Global response normalization of `(N, C, H, W)`; see `GlobalResponseNorm1d`.

    >>> import torch
    >>> GlobalResponseNorm2d(16)(torch.randn(8, 16, 4, 4)).shape
    torch.Size([8, 16, 4, 4])
    """

    _spatial = 2


class GlobalResponseNorm3d(_GlobalResponseNormLayer):
    """Global response normalization of `(N, C, D, H, W)`; see `GlobalResponseNorm1d`.

    >>> import torch
    >>> GlobalResponseNorm3d(16)(torch.randn(8, 16, 2, 4, 4)).shape
    torch.Size([8, 16, 2, 4, 4])
    """

    _spatial = 3


METHOD = Method(
    name="global_response",
    title="global response normalization",
    year=2023,
    paper="Woo et al., ConvNeXt V2: Co-designing and Scaling ConvNets with Masked Autoencoders, "
    "https://arxiv.org/abs/2301.00808",
    axes="*, then C",
    state_dict=("weight", "bias"),
    layers={1: GlobalResponseNorm1d, 2: GlobalResponseNorm2d, 3: GlobalResponseNorm3d},
    needs="nothing",
    when="Beside another norm, after the activation between the two 1×1 convolutions of a ConvNeXt "
    "block.",
    channels="num_channels",
)
