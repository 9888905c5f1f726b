"""ConvMixer: the norm comes after the activation.

Trockman and Kolter, "Patches Are All You Need?", 2022, https://arxiv.org/abs/2201.09792
"""

from __future__ import annotations

from torch import Tensor, nn

from zoo.entry import Entry, images


class Residual(nn.Module):
    """Adds what a module does to its input."""

    def __init__(self, fn: nn.Module) -> None:
        super().__init__()
        self.fn = fn

    def forward(self, x: Tensor) -> Tensor:
        """Returns fn(x) + x."""
        y: Tensor = self.fn(x) + x
        return y


def activated(convolution: nn.Module, channels: int) -> nn.Sequential:
    """A convolution, GELU, and then the norm."""
    return nn.Sequential(convolution, nn.GELU(), nn.BatchNorm2d(channels))


def conv_mixer(channels: int = 16, depth: int = 3, num_classes: int = 10) -> nn.Sequential:
    """Patches, then blocks of one depthwise and one pointwise convolution."""
    blocks = []
    for _ in range(depth):
        depthwise = nn.Conv2d(channels, channels, 5, groups=channels, padding="same")
        pointwise = nn.Conv2d(channels, channels, 1)
        mixed = Residual(activated(depthwise, channels))
        blocks.append(nn.Sequential(mixed, activated(pointwise, channels)))
    patches = activated(nn.Conv2d(3, channels, 4, stride=4), channels)
    head = (nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Linear(channels, num_classes))
    return nn.Sequential(patches, *blocks, *head)


ENTRIES = [Entry("conv_mixer", "plain", conv_mixer, images(3, 32, 32))]
