"""A generator and a discriminator: linear layers before norms, and spectrally normalised weights.

Miyato, Kataoka, Koyama and Yoshida, "Spectral Normalization", 2018,
https://arxiv.org/abs/1802.05957
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from zoo.entry import Entry, images


class Generator(nn.Module):
    """A linear layer with batch norm, then transposed convolutions with theirs."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.project = nn.Linear(16, 4 * width * 16, bias=False)
        self.norm = nn.BatchNorm1d(4 * width * 16)
        self.main = nn.Sequential(
            nn.ConvTranspose2d(4 * width, 2 * width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(True),
            nn.ConvTranspose2d(2 * width, width, 4, 2, 1, groups=2, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(True),
            nn.ConvTranspose2d(width, 3, 4, 2, 1),
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        """Returns images."""
        x = F.relu(self.norm(self.project(z)))
        image: Tensor = self.main(x.view(x.shape[0], -1, 4, 4))
        return image


class DiscriminatorBlock(nn.Module):
    """Two convolutions of the activated input, and a projection, all halved by pooling."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv1 = spectral_norm(nn.Conv2d(channels, out, 3, padding=1))
        self.conv2 = spectral_norm(nn.Conv2d(out, out, 3, padding=1))
        self.shortcut = spectral_norm(nn.Conv2d(channels, out, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Returns F(x) + shortcut(x)."""
        out = self.conv2(F.leaky_relu(self.conv1(F.leaky_relu(x, 0.1)), 0.1))
        return F.avg_pool2d(out, 2) + F.avg_pool2d(self.shortcut(x), 2)


class Discriminator(nn.Module):
    """Such blocks, and one linear layer on the sum over the map."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            DiscriminatorBlock(3, width), DiscriminatorBlock(width, 2 * width)
        )
        self.linear = spectral_norm(nn.Linear(2 * width, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Returns one number an image."""
        x = torch.relu(self.blocks(x)).sum(dim=(2, 3))
        score: Tensor = self.linear(x)
        return score


ENTRIES = [
    Entry("gan_generator", "plain", Generator, images(16)),
    Entry("sn_gan_discriminator", "plain", Discriminator, images(3, 32, 32)),
]
