"""BranchyNet: it answers early when it is sure, which no trace can follow.

Teerapittayanon, McDanel and Kung, "BranchyNet", 2016, https://arxiv.org/abs/1709.01686
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from zoo.entry import Entry, images


def stage(channels: int, out: int) -> nn.Sequential:
    """A convolution that halves the map, with its norm and ReLU."""
    convolution = nn.Conv2d(channels, out, 3, stride=2, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out), nn.ReLU())


class Exit(nn.Module):
    """A convolution with its norm, and the logits."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv = stage(channels, channels)
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits."""
        logits: Tensor = self.fc(self.conv(x).mean([2, 3]))
        return logits


class BranchyNet(nn.Module):
    """Three stages, each with an exit; a batch leaves by the first that is sure of all of it."""

    def __init__(self, width: int = 8, surest: float = 0.1, num_classes: int = 5) -> None:
        super().__init__()
        self.surest = surest
        shapes = [(3, width), (width, 2 * width), (2 * width, 4 * width)]
        self.stages = nn.ModuleList(stage(*shape) for shape in shapes)
        self.exits = nn.ModuleList(Exit(out, num_classes) for _, out in shapes)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits of the exit that was taken."""
        for part, way_out in zip(self.stages, self.exits, strict=True):
            x = part(x)
            logits: Tensor = way_out(x)
            probabilities = F.softmax(logits, dim=1)
            entropy = -(probabilities * probabilities.log()).sum(dim=1)
            if bool((entropy < self.surest).all()):
                break
        return logits


ENTRIES = [Entry("branchy_net", "plain", BranchyNet, images(3, 32, 32))]
