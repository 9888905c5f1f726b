"""SqueezeNet 1.1, without normalization, with torchvision's structure and names of parameters.

Iandola, Han, Moskewicz, Ashraf, Dally and Keutzer, "SqueezeNet", 2016,
https://arxiv.org/abs/1602.07360
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.entry import Entry, images


class Fire(nn.Module):
    """A narrow 1×1 convolution; then a 1×1 and a 3×3 one, side by side."""

    def __init__(self, channels: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeeze, 1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Returns both expansions of the squeezed map, concatenated."""
        x = self.squeeze_activation(self.squeeze(x))
        wide = [
            self.expand1x1_activation(self.expand1x1(x)),
            self.expand3x3_activation(self.expand3x3(x)),
        ]
        return torch.cat(wide, 1)


class SqueezeNet(nn.Module):
    """Fire modules; a convolution makes the logits, with a ReLU, before they are averaged."""

    def __init__(self, width: int = 16, num_classes: int = 1000) -> None:
        super().__init__()
        channels = 4 * width
        features: list[nn.Module] = [
            nn.Conv2d(3, channels, 3, stride=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
        ]
        for squeeze, fires in ((width, 2), (2 * width, 2), (3 * width, 2), (4 * width, 2)):
            for _ in range(fires):
                features.append(Fire(channels, squeeze, 4 * squeeze))
                channels = 8 * squeeze
            if squeeze <= 2 * width:
                features.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(
            nn.Dropout(),
            nn.Conv2d(channels, num_classes, 1),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]  # There is one.

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits."""
        x = self.classifier(self.features(x))
        return torch.flatten(x, 1)


ENTRIES = [Entry("squeezenet", "plain", lambda: SqueezeNet(4, num_classes=10), images(3, 64, 64))]
