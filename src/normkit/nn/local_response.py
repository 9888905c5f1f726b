"""Local response normalization layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from normkit.functional import Activation, local_response_norm
from normkit.functional.local_response import check_size
from normkit.nn.activation import Activated
from normkit.nn.method import Method


class LocalResponseNorm(Activated, torch.nn.LocalResponseNorm):
    """Local response normalization of `(N, C, *)`, by the channels around each at its position.

    y = act(x / (k + α / size · Σ x²)^β + residual), with the sum per sample and position over a
    window of `size` channels, as PyTorch has it. The paper does not divide α by the size: its
    values are `size=5, alpha=5e-4, beta=0.75, k=2` here.

    Args:
        size: how many channels a window has.
        alpha: α, how much the mean of the squares in the window counts.
        beta: β, the power.
        k: what the mean is added to.
        device: accepted, with `dtype`, so that it can stand where another norm stands; there are
            no parameters that it would concern.
        dtype: see `device`.
        act: the activation: None, a name, or a module or function.

    Raises:
        ValueError: a size below 1; a residual of another shape.

    >>> LocalResponseNorm(5, act="relu")(torch.randn(8, 16, 4, 4)).shape
    torch.Size([8, 16, 4, 4])

    Paper: Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional
    Neural Networks", 2012,
    https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks
    """

    def __init__(
        self,
        size: int,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 1.0,
        device: Any = None,
        dtype: Any = None,
        *,
        act: Activation = None,
    ) -> None:
        check_size(size, "LocalResponseNorm")
        super().__init__(size, alpha, beta, k)
        self._set_activation(act)

    def forward(self, input: Tensor, residual: Tensor | None = None) -> Tensor:  # noqa: A002
        """Returns `act(norm(input) + residual)`."""
        return local_response_norm(
            input, self.size, self.alpha, self.beta, self.k, act=self.act, residual=residual
        )


METHOD = Method(
    name="local_response",
    title="local response normalization",
    year=2012,
    paper="Krizhevsky, Sutskever and Hinton, ImageNet Classification with Deep Convolutional "
    "Neural Networks, https://papers.nips.cc/paper/"
    "4824-imagenet-classification-with-deep-convolutional-neural-networks",
    axes="C in a window",
    state_dict=(),
    layers={1: LocalResponseNorm, 2: LocalResponseNorm, 3: LocalResponseNorm},
    needs="nothing",
    when="Networks of the time of AlexNet, as they were published.",
    channels=None,
    affine=None,
    defaults=lambda channels: {"size": 5},
)
