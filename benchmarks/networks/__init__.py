"""Networks that benchmarks train, written once over any set of layers.

>>> from networks import LAYERS, NETWORKS
>>> model = NETWORKS["resnet50"](LAYERS["normkit"])
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import nn

from networks.layers import LAYERS, Norm
from networks.mobilenet_v2 import MobileNetV2
from networks.resnet50 import ResNet50

__all__ = ["LAYERS", "NETWORKS", "MobileNetV2", "Norm", "ResNet50"]

NETWORKS: Mapping[str, Callable[[Norm], nn.Module]] = MappingProxyType(
    {"mobilenet_v2": MobileNetV2, "resnet50": ResNet50}
)
"""Name → the network, to be called with what makes its norms."""
