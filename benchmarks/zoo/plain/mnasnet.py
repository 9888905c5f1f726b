"""MNASNet: one flat sequence, and norms whose running statistics move slowly.

Tan and others, "MnasNet", 2018, https://arxiv.org/abs/1807.11626; with torchvision's structure.
"""

from __future__ import annotations

from torch import Tensor, nn

from zoo.entry import Entry, images


def norm(channels: int) -> nn.BatchNorm2d:
    """Batch norm with the momentum that TensorFlow's 0.9997 is here."""
    return nn.BatchNorm2d(channels, momentum=1 - 0.9997)


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution and projection."""

    def __init__(self, channels: int, out: int, size: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = expansion * channels
        self.apply_residual = stride == 1 and channels == out
        self.layers = nn.Sequential(
            nn.Conv2d(channels, hidden, 1, bias=False),
            norm(hidden),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, hidden, size, stride, size // 2, groups=hidden, bias=False),
            norm(hidden),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, out, 1, bias=False),
            norm(out),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Returns F(x), or F(x) + x where the shapes agree."""
        if self.apply_residual:
            y: Tensor = self.layers(x) + x
        else:
            y = self.layers(x)
        return y


class MNASNet(nn.Module):
    """The network with stacks of one or two blocks."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
            norm(8),
            nn.ReLU(inplace=True),
            nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False),
            norm(8),
            nn.ReLU(inplace=True),
            nn.Conv2d(8, 4, 1, bias=False),
            norm(4),
            nn.Sequential(InvertedResidual(4, 8, 3, 2, 3), InvertedResidual(8, 8, 3, 1, 3)),
            nn.Sequential(InvertedResidual(8, 12, 5, 2, 3), InvertedResidual(12, 12, 5, 1, 3)),
            nn.Sequential(InvertedResidual(12, 16, 5, 2, 6), InvertedResidual(16, 16, 5, 1, 6)),
            nn.Sequential(InvertedResidual(16, 24, 3, 1, 6)),
            nn.Conv2d(24, 64, 1, bias=False),
            norm(64),
            nn.ReLU(inplace=True),
        )
        self.classifier = nn.Sequential(nn.Dropout(0.2, inplace=True), nn.Linear(64, num_classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits."""
        x = self.layers(x)
        x = x.mean([2, 3])
        logits: Tensor = self.classifier(x)
        return logits


ENTRIES = [Entry("mnasnet", "plain", MNASNet, images(3, 64, 64))]
