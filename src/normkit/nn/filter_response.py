"""Filter response normalization layers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from normkit.functional import Activation
from normkit.functional.checks import check_channels, check_rank
from normkit.functional.filter_response import filter_response_norm
from normkit.nn.activation import Activated
from normkit.nn.affine import Affine
from normkit.nn.method import Method

FIRST_EPS = 1e-4
"""What a learned ε starts at, as in the paper."""


class _FilterResponseNormLayer(Activated, Affine):
    _spatial: int
    _shown = "{num_features}, eps={eps}, affine={affine}, tlu={tlu}, learn_eps={learn_eps}"

    threshold: torch.nn.Parameter | None
    learned_eps: torch.nn.Parameter | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-6,
        affine: bool = True,
        tlu: bool = True,
        learn_eps: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        act: Activation = None,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.affine = affine
        self.tlu = tlu
        self.learn_eps = learn_eps
        self._set_affine(num_features, affine, affine, device, dtype)
        for name, exists in (("threshold", tlu), ("learned_eps", learn_eps)):
            vector = torch.empty(num_features, device=device, dtype=dtype) if exists else None
            self.register_parameter(name, None if vector is None else torch.nn.Parameter(vector))
        self._set_activation(act)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Gives γ, β, τ and the learned ε the values that they start at."""
        super().reset_parameters()
        if self.threshold is not None:
            torch.nn.init.zeros_(self.threshold)
        if self.learned_eps is not None:
            torch.nn.init.constant_(self.learned_eps, FIRST_EPS)

    def forward(
        self,
        input: Tensor,  # noqa: A002
        residual: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Returns `act(norm(input) + residual)`; only what `mask` keeps is in the statistics.

        The cut-off at τ is part of the norm.
        """
        check_rank(type(self).__name__, input, self._spatial)
        check_channels(type(self).__name__, input, self.num_features)
        return filter_response_norm(
            input,
            self.weight,
            self.bias,
            self.threshold,
            self.eps,
            self.learned_eps,
            act=self.act,
            residual=residual,
            mask=mask,
        )


class FilterResponseNorm1d(_FilterResponseNormLayer):
    """Filter response normalization of `(N, C)` or `(N, C, L)`, with its thresholded linear unit.

    y = act(max(γ · x / √(mean(x²) + |ε|) + β, τ) + residual), with the mean per sample and channel
    over all positions. The threshold τ, which is learned, takes the place of a ReLU: nothing is
    subtracted before it, so that zero would not be the place to cut.

    Args:
        num_features: C.
        eps: ε, added to the mean square.
        affine: whether γ and β exist.
        tlu: whether the output is cut off from below at τ, which starts at zero.
        learn_eps: whether the magnitude of a learned vector, which starts at 1e-4, is added to ε:
            for features without positions, and very small maps.
        device: as in PyTorch.
        dtype: as in PyTorch.
        act: a further activation: None, a name, or a module or function.

    Raises:
        ValueError: an input of another rank or number of channels; a residual of another shape.

    >>> FilterResponseNorm1d(16)(torch.randn(8, 16, 10)).min() >= 0
    tensor(True)

    Paper: Singh and Krishnan, "Filter Response Normalization Layer", 2019,
    https://arxiv.org/abs/1911.09737
    """

    _spatial = 1


class FilterResponseNorm2d(_FilterResponseNormLayer):
    """Filter response normalization of `(N, C, H, W)`; see `FilterResponseNorm1d`.

    >>> FilterResponseNorm2d(16)(torch.randn(8, 16, 4, 4)).shape
    torch.Size([8, 16, 4, 4])
    """

    _spatial = 2


class FilterResponseNorm3d(_FilterResponseNormLayer):
    """Filter response normalization of `(N, C, D, H, W)`; see `FilterResponseNorm1d`.

    >>> FilterResponseNorm3d(16)(torch.randn(8, 16, 2, 4, 4)).shape
    torch.Size([8, 16, 2, 4, 4])
    """

    _spatial = 3


METHOD = Method(
    name="filter_response",
    title="filter response normalization, with a threshold",
    year=2019,
    paper="Singh and Krishnan, Filter Response Normalization Layer, "
    "https://arxiv.org/abs/1911.09737",
    axes="*",
    state_dict=("weight", "bias", "threshold"),
    layers={1: FilterResponseNorm1d, 2: FilterResponseNorm2d, 3: FilterResponseNorm3d},
    needs="several positions, or a learned ε",
    activates=True,
    when="Batches of any size, in place of norm and ReLU together; it wants a slow start.",
)
