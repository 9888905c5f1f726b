"""PyTorch's layers of the methods that are timed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from normkit.bench.cases import Case
from normkit.nn.group import default_groups

EPS = 1e-5


class ChannelLayerNorm(nn.LayerNorm):
    """Layer normalization over the channels, as networks have it: channels last, and back."""

    def forward(self, x: Tensor) -> Tensor:
        shape, weight, bias = self.normalized_shape, self.weight, self.bias
        return F.layer_norm(x.movedim(1, -1), shape, weight, bias, self.eps).movedim(-1, 1)


class ChannelRMSNorm(nn.RMSNorm):
    """Root mean square normalization over the channels, in the same way."""

    def forward(self, x: Tensor) -> Tensor:
        shape, weight = list(self.normalized_shape), self.weight
        return F.rms_norm(x.movedim(1, -1), shape, weight, self.eps).movedim(-1, 1)


_LAYERS: Mapping[str, Callable[[int], nn.Module]] = MappingProxyType(
    {
        "batch": nn.BatchNorm2d,
        "layer": lambda channels: nn.GroupNorm(1, channels),
        "instance": lambda channels: nn.InstanceNorm2d(channels, affine=True),
        "group": lambda channels: nn.GroupNorm(default_groups(channels), channels),
        "channel_layer": lambda channels: ChannelLayerNorm(channels, EPS),
        "rms": lambda channels: ChannelRMSNorm(channels, EPS),
    }
)


def layer(case: Case) -> torch.nn.Module:
    """PyTorch's layer of a case.

    >>> layer(Case("group", "contiguous", "float32", (2, 8, 3, 3)))
    GroupNorm(4, 8, eps=1e-05, affine=True, bias=True)
    """
    return _LAYERS[case.method](case.shape[1])
