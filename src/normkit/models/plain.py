"""A plain deep convolutional network."""

from __future__ import annotations

import torch
from torch import Tensor

from normkit.functional import Activation
from normkit.models.block import Block, Norm
from normkit.models.classifier import Classifier, check_arguments, halved


class PlainNetwork(Classifier):
    """3×3 convolutions of one width, the mean over the map, and a linear classifier.

    There are no shortcuts, so what a norm does for a deep network is not hidden by them. The
    first convolutions have stride 2 until the longer side of the map is at most 8, and if it is
    still above 4 one more has, a quarter of the way down.

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
        width: the channels of each.
        dropout: the share of features set to zero before the classifier.

    Raises:
        ValueError: an unknown norm, placement, init or activation; a number outside its range.

    >>> model = PlainNetwork(num_classes=10, in_channels=3, image_size=(32, 32), norm="group")
    >>> model(torch.randn(2, 3, 32, 32)).shape
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
        depth: int = 8,
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
        blocks = []
        channels = in_channels
        for stride in _strides(depth, max(image_size)):
            convolution = torch.nn.Conv2d(channels, width, 3, stride=stride, padding=1)
            blocks.append(Block(convolution, norm=norm, placement=placement, activation=activation))
            channels = width
        self.layers = torch.nn.ModuleList(blocks)
        self._make_head(width, num_classes, dropout, init, init_gain)

    def features(self, x: Tensor) -> Tensor:
        """Images `(N, C, H, W)` → features `(N, width)`."""
        for block in self.layers:
            x = block(x)
        return x.mean((2, 3))


def _strides(depth: int, side: int) -> list[int]:
    strides = [1] * depth
    layer = 0
    while side > 8 and layer < depth:
        strides[layer] = 2
        side = halved(side)
        layer += 1
    late = max(depth // 4, layer)
    if side > 4 and late < depth:
        strides[late] = 2
    return strides
