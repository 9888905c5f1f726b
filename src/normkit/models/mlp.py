"""A multi-layer perceptron."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from normkit.functional import Activation
from normkit.models.block import Block, Norm
from normkit.models.classifier import Classifier, check_arguments


class MultiLayerPerceptron(Classifier):
    """Linear layers of one width on the flattened image, and a linear classifier.

    Every hidden layer is linear and is normalised in every placement; `before_and_linear` is the
    same as `before`. Instance normalization is refused: features have no positions.

    Args:
        num_classes: the number of classes.
        in_channels: the channels of an image.
        image_size: its height and width.
        norm: a key of the catalogue, or a callable `norm(channels, dims=2)`, called with `dims=1`.
        placement: one of `PLACEMENTS`.
        init: one of `INITIALISATIONS`.
        init_gain: multiplies the initial weights.
        activation: the activation: None, a name, or a module or function.
        depth: the number of hidden layers.
        width: the features of each.
        dropout: the share of features set to zero before the classifier.

    Raises:
        ValueError: an unknown norm, placement, init or activation; a number outside its range; an
            instance norm.

    >>> model = MultiLayerPerceptron(num_classes=10, in_channels=1, image_size=(8, 8), norm="batch")
    >>> model(torch.randn(2, 1, 8, 8)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int,
        image_size: tuple[int, int],
        norm: Norm = "none",
        placement: str = "before",
        init: str = "default",
        init_gain: float = 1.0,
        activation: Activation = "relu",
        depth: int = 4,
        width: int = 64,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_arguments(
            num_classes=num_classes,
            in_channels=in_channels,
            image_size=image_size,
            depth=depth,
            width=width,
            dropout=dropout,
        )
        blocks = []
        features = in_channels * math.prod(image_size)
        for _ in range(depth):
            blocks.append(
                Block(
                    torch.nn.Linear(features, width),
                    norm=norm,
                    placement=placement,
                    activation=activation,
                )
            )
            features = width
        self.layers = torch.nn.ModuleList(blocks)
        self._make_head(width, num_classes, dropout, init, init_gain)

    def features(self, x: Tensor) -> Tensor:
        """Images `(N, C, H, W)` → features `(N, width)`."""
        x = x.flatten(1)
        for block in self.layers:
            x = block(x)
        return x
