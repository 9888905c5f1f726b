"""A pre-activation ResNet, wide and with dropout: norm, F.relu, convolution.

He, Zhang, Ren and Sun, "Identity Mappings in Deep Residual Networks", 2016,
https://arxiv.org/abs/1603.05027; Zagoruyko and Komodakis, "Wide Residual Networks", 2016,
https://arxiv.org/abs/1605.07146
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from zoo.entry import Entry, images


class PreActivationBlock(nn.Module):
    """Two 3×3 convolutions, each after its norm; a projection is given the activated input."""

    def __init__(self, channels: int, out: int, stride: int, drop_rate: float) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.drop_rate = drop_rate
        self.equal = stride == 1 and channels == out
        if not self.equal:
            self.shortcut = nn.Conv2d(channels, out, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Returns F(x) + shortcut(x)."""
        out = F.relu(self.bn1(x))
        shortcut: Tensor = x if self.equal else self.shortcut(out)
        out = F.relu(self.bn2(self.conv1(out)))
        out = F.dropout(out, p=self.drop_rate, training=self.training)
        y: Tensor = self.conv2(out) + shortcut
        return y


class WideResNet(nn.Module):
    """Three stages of such blocks; the last norm has its ReLU before the pooling."""

    def __init__(self, width: int = 8, drop_rate: float = 0.3, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        blocks = []
        channels = width
        for out, first_stride in ((width, 1), (2 * width, 2), (4 * width, 2)):
            for stride in (first_stride, 1):
                blocks.append(PreActivationBlock(channels, out, stride, drop_rate))
                channels = out
        self.blocks = nn.ModuleList(blocks)
        self.bn = nn.BatchNorm2d(channels)
        self.linear = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits."""
        out = self.conv1(x)
        for block in self.blocks:
            out = block(out)
        out = F.relu(self.bn(out))
        out = F.avg_pool2d(out, 8)
        out = out.view(out.size(0), -1)
        logits: Tensor = self.linear(out)
        return logits


ENTRIES = [Entry("wide_resnet", "plain", WideResNet, images(3, 32, 32))]
