"""ResNet, with torchvision's structure, names of parameters and initialisation.

He, Zhang, Ren and Sun, "Deep Residual Learning", 2015, https://arxiv.org/abs/1512.03385; as in
torchvision the stride is that of the 3×3 convolution, a block's one ReLU is called after each of
its norms, and the shortcut is added in place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from zoo.entry import Entry, images

NormLayer = Callable[[int], nn.Module]


def convolution(
    channels: int, out: int, size: int, stride: int = 1, groups: int = 1, dilation: int = 1
) -> nn.Conv2d:
    """A convolution without bias that keeps the map's size but for its stride."""
    padding = dilation * (size // 2)
    return nn.Conv2d(channels, out, size, stride, padding, dilation, groups, bias=False)


class BasicBlock(nn.Module):
    """Two 3×3 convolutions."""

    expansion = 1

    def __init__(
        self,
        channels: int,
        width: int,
        stride: int,
        downsample: nn.Module | None,
        norm_layer: NormLayer,
        groups: int = 1,
        width_per_group: int = 64,
    ) -> None:
        super().__init__()
        assert (groups, width_per_group) == (1, 64), "only a bottleneck can be grouped or widened"
        self.conv1 = convolution(channels, width, 3, stride)
        self.bn1 = norm_layer(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = convolution(width, width, 3)
        self.bn2 = norm_layer(width)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """Returns relu(F(x) + shortcut(x))."""
        identity = x
        out: Tensor = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        activated: Tensor = self.relu(out)
        return activated


class Bottleneck(nn.Module):
    """1×1, 3×3 and 1×1 convolutions; the 3×3 one may be grouped."""

    expansion = 4

    def __init__(
        self,
        channels: int,
        width: int,
        stride: int,
        downsample: nn.Module | None,
        norm_layer: NormLayer,
        groups: int = 1,
        width_per_group: int = 64,
    ) -> None:
        super().__init__()
        inner = width * width_per_group // 64 * groups
        self.conv1 = convolution(channels, inner, 1)
        self.bn1 = norm_layer(inner)
        self.conv2 = convolution(inner, inner, 3, stride, groups)
        self.bn2 = norm_layer(inner)
        self.conv3 = convolution(inner, self.expansion * width, 1)
        self.bn3 = norm_layer(self.expansion * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """Returns relu(F(x) + shortcut(x))."""
        identity = x
        out: Tensor = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        activated: Tensor = self.relu(out)
        return activated


class ResNet(nn.Module):
    """Four stages of residual blocks for images of three channels."""

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        layers: Sequence[int],
        width: int = 64,
        groups: int = 1,
        width_per_group: int = 64,
        norm_layer: NormLayer = nn.BatchNorm2d,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        self.channels = width

        def stage(width: int, blocks: int, stride: int) -> nn.Sequential:
            """Blocks of one width; the first has the stride and, if shapes differ, a projection."""
            out = block.expansion * width
            row = []
            for index in range(blocks):
                first_stride = stride if index == 0 else 1
                downsample = None
                if first_stride != 1 or self.channels != out:
                    downsample = nn.Sequential(
                        convolution(self.channels, out, 1, first_stride), norm_layer(out)
                    )
                grouping = (groups, width_per_group)
                row.append(
                    block(self.channels, width, first_stride, downsample, norm_layer, *grouping)
                )
                self.channels = out
            return nn.Sequential(*row)

        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = norm_layer(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = stage(width, layers[0], 1)
        self.layer2 = stage(2 * width, layers[1], 2)
        self.layer3 = stage(4 * width, layers[2], 2)
        self.layer4 = stage(8 * width, layers[3], 2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(self.channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer1(x)
        x = self.layer2(x)
        x = self.layer3(x)
        x = self.layer4(x)
        x = self.avgpool(x)
        x = torch.flatten(x, 1)
        logits: Tensor = self.fc(x)
        return logits


def resnet18() -> ResNet:
    """torchvision's, whole."""
    return ResNet(BasicBlock, (2, 2, 2, 2))


def resnet50() -> ResNet:
    """torchvision's, whole."""
    return ResNet(Bottleneck, (3, 4, 6, 3))


ENTRIES = [
    Entry(
        "resnet_basic",
        "plain",
        lambda: ResNet(BasicBlock, (2, 2, 2, 2), width=8, num_classes=10),
        images(3, 64, 64),
    ),
    Entry(
        "resnet_bottleneck",
        "plain",
        lambda: ResNet(Bottleneck, (2, 2, 2, 2), width=8, num_classes=10),
        images(3, 64, 64),
    ),
]
