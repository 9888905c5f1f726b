"""What the models share: blocks, dropout, and a linear classifier at the end."""

from __future__ import annotations

import torch
from torch import Tensor

from normkit.models.block import Block
from normkit.models.initialisation import initialise_


class Classifier(torch.nn.Module):
    """Base of the models. A model makes its blocks, then its head, and says how x goes through.

    Attributes:
        dropout: before the last linear layer.
        classifier: the last linear layer.
    """

    dropout: torch.nn.Dropout
    classifier: torch.nn.Linear

    @property
    def blocks(self) -> list[Block]:
        """The blocks in the order of depth, without those on shortcuts: what probes look at."""
        return [
            module
            for name, module in self.named_modules()
            if isinstance(module, Block) and not name.endswith("shortcut")
        ]

    def features(self, x: Tensor) -> Tensor:
        """Images `(N, C, H, W)` → features `(N, F)`."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Images `(N, C, H, W)` → logits `(N, num_classes)`."""
        logits: Tensor = self.classifier(self.dropout(self.features(x)))
        return logits

    def _make_head(
        self, features: int, num_classes: int, dropout: float, init: str, init_gain: float
    ) -> None:
        self.dropout = torch.nn.Dropout(dropout)
        self.classifier = torch.nn.Linear(features, num_classes)
        initialise_(self, init, gain=init_gain)


def check_arguments(
    *,
    num_classes: int,
    in_channels: int,
    image_size: tuple[int, int],
    depth: int,
    width: int,
    dropout: float,
) -> None:
    """Raises unless the arguments that all models share are in their range."""
    height, width_of_image = image_size
    whole = {
        "num_classes": num_classes,
        "in_channels": in_channels,
        "the height in image_size": height,
        "the width in image_size": width_of_image,
        "depth": depth,
        "width": width,
    }
    for name, value in whole.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1; got {value}.")
    if not 0 <= dropout < 1:
        raise ValueError(
            f"dropout is the share of features set to zero, from 0 to below 1; got {dropout}."
        )


def halved(side: int) -> int:
    """The side of a map behind a 3×3 convolution of stride 2 and padding 1.

    >>> [halved(side) for side in (28, 7, 1)]
    [14, 4, 1]
    """
    return (side + 1) // 2
