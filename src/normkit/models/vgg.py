"""A small network after VGG."""

from __future__ import annotations

import torch
from torch import Tensor

from normkit.functional import Activation
from normkit.models.block import Block, Norm
from normkit.models.classifier import Classifier, check_arguments


class VGG(Classifier):
    """Stages of 3×3 convolutions, each ended by 2×2 max pooling, and a hidden linear layer.

    There are as many stages as halvings bring the longer side of the map down to 4, and at most
    one per convolution. Each stage is twice as wide as the one before, up to four times `width`.
    The hidden linear layer is normalised with the placement `before_and_linear` only.

    Args:
        num_classes: the number of classes.
        in_channels: the channels of an image.
        image_size: its height and width.
        norm: a key of the catalogue, or a callable `norm(channels, dims=2)`.
        placement: one of `PLACEMENTS`.
        init: one of `INITIALISATIONS`.
        init_gain: multiplies the initial weights.
        activation: the activation: None, a name, or a module or function.
        depth: the number of convolutions.
        width: the channels of the first stage.
        dropout: the share of features set to zero before the classifier.

    Raises:
        ValueError: an unknown norm, placement, init or activation; a number outside its range; an
            instance norm for the hidden linear layer.

    >>> model = VGG(num_classes=10, in_channels=3, image_size=(32, 32), norm="batch")
    >>> model(torch.randn(2, 3, 32, 32)).shape
    torch.Size([2, 10])

    Paper: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
    Recognition", 2014, https://arxiv.org/abs/1409.1556
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
        depth: int = 6,
        width: int = 16,
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
        height, width_of_map = image_size
        stages = min(_halvings(max(image_size)), depth)
        blocks: list[Block] = []
        self._pooled_blocks: set[int] = set()
        channels = in_channels
        for index in range(depth):
            # The convolutions are shared out evenly among the stages.
            stage = index * stages // depth
            wide = width * 2 ** min(stage, 2)
            convolution = torch.nn.Conv2d(channels, wide, 3, padding=1)
            blocks.append(Block(convolution, norm=norm, placement=placement, activation=activation))
            channels = wide
            if stages and (index + 1) * stages // depth != stage:
                self._pooled_blocks.add(index)
                height, width_of_map = _pooled(height), _pooled(width_of_map)
        hidden = torch.nn.Linear(channels * height * width_of_map, channels)
        blocks.append(
            Block(
                hidden,
                norm=norm if placement == "before_and_linear" else "none",
                placement=placement,
                activation=activation,
            )
        )
        self.layers = torch.nn.ModuleList(blocks)
        self.pool = torch.nn.MaxPool2d(2, ceil_mode=True)
        self._make_head(channels, num_classes, dropout, init, init_gain)

    def features(self, x: Tensor) -> Tensor:
        """Images `(N, C, H, W)` → features `(N, F)`."""
        *convolutions, hidden = self.layers
        for index, block in enumerate(convolutions):
            x = block(x)
            if index in self._pooled_blocks:
                x = self.pool(x)
        features: Tensor = hidden(x.flatten(1))
        return features


def _pooled(side: int) -> int:
    return (side + 1) // 2


def _halvings(side: int) -> int:
    halvings = 0
    while side > 4:
        side = _pooled(side)
        halvings += 1
    return halvings
