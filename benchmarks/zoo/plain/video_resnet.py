"""R(2+1)D: a ResNet for videos, whose 3-D convolutions are factorised into space and time.

Tran, Wang, Torresani, Ray, LeCun and Paluri, "A Closer Look at Spatiotemporal Convolutions", 2017,
https://arxiv.org/abs/1711.11248; with torchvision's structure and names of parameters.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from zoo.entry import Entry, images

Convolution = Callable[[int, int, int], nn.Module]


def conv3d(channels: int, out: int, stride: int) -> nn.Module:
    """A convolution over space and time at once."""
    return nn.Conv3d(channels, out, 3, stride, 1, bias=False)


def conv2plus1d(channels: int, out: int, stride: int) -> nn.Module:
    """A convolution over space, its norm and ReLU, and one over time."""
    middle = channels * out * 27 // (channels * 9 + 3 * out)
    space, time = (1, stride, stride), (stride, 1, 1)
    return nn.Sequential(
        nn.Conv3d(channels, middle, (1, 3, 3), space, (0, 1, 1), bias=False),
        nn.BatchNorm3d(middle),
        nn.ReLU(inplace=True),
        nn.Conv3d(middle, out, (3, 1, 1), time, (1, 0, 0), bias=False),
    )


class BasicBlock(nn.Module):
    """Two convolutions, each in a sequence with its norm."""

    def __init__(self, convolution: Convolution, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(
            convolution(channels, out, stride), nn.BatchNorm3d(out), nn.ReLU(inplace=True)
        )
        self.conv2 = nn.Sequential(convolution(out, out, 1), nn.BatchNorm3d(out))
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or channels != out:
            projection = nn.Conv3d(channels, out, 1, stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm3d(out))

    def forward(self, x: Tensor) -> Tensor:
        """Returns relu(F(x) + shortcut(x))."""
        residual = x
        out: Tensor = self.conv1(x)
        out = self.conv2(out)
        if self.downsample is not None:
            residual = self.downsample(x)
        out += residual
        activated: Tensor = self.relu(out)
        return activated


class VideoResNet(nn.Module):
    """Three stages of two blocks."""

    def __init__(self, convolution: Convolution, width: int = 4, num_classes: int = 5) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv3d(3, width, (3, 7, 7), (1, 2, 2), (1, 3, 3), bias=False),
            nn.BatchNorm3d(width),
            nn.ReLU(inplace=True),
        )
        shapes = [(1, 1, 1), (1, 1, 1), (1, 2, 2), (2, 2, 1), (2, 4, 2), (4, 4, 1)]
        self.layers = nn.Sequential(
            *(BasicBlock(convolution, width * a, width * b, stride) for a, b, stride in shapes)
        )
        self.avgpool = nn.AdaptiveAvgPool3d((1, 1, 1))
        self.fc = nn.Linear(4 * width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits."""
        x = self.layers(self.stem(x))
        x = self.avgpool(x).flatten(1)
        logits: Tensor = self.fc(x)
        return logits


ENTRIES = [
    Entry("video_resnet_3d", "plain", lambda: VideoResNet(conv3d), images(3, 8, 32, 32)),
    Entry("video_resnet_2plus1d", "plain", lambda: VideoResNet(conv2plus1d), images(3, 8, 32, 32)),
]
