"""Small convolutional networks for studies, made from the layers.

>>> import torch
>>> model = build("plain", num_classes=10, in_channels=1, image_size=(8, 8), norm="batch")
>>> model(torch.randn(4, 1, 8, 8)).shape
torch.Size([4, 10])
>>> len(model.blocks)
8
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from normkit.functional.names import unknown_name
from normkit.models.block import PLACEMENTS, Block, Norm
from normkit.models.branch import BRANCHES
from normkit.models.classifier import Classifier
from normkit.models.factory import Made, from_factory
from normkit.models.initialisation import INITIALISATIONS, initialise_
from normkit.models.lsuv import Reached, lsuv_
from normkit.models.micro_batch import MicroBatched
from normkit.models.mlp import MultiLayerPerceptron
from normkit.models.plain import PlainNetwork
from normkit.models.residual import ResidualNetwork
from normkit.models.vgg import VGG

__all__ = [
    "BRANCHES",
    "INITIALISATIONS",
    "MODELS",
    "PLACEMENTS",
    "VGG",
    "Block",
    "Classifier",
    "Made",
    "MicroBatched",
    "MultiLayerPerceptron",
    "Norm",
    "PlainNetwork",
    "Reached",
    "ResidualNetwork",
    "build",
    "defaults",
    "from_factory",
    "initialise_",
    "lsuv_",
]

_CLASSES: Mapping[str, type[Classifier]] = MappingProxyType(
    {
        "plain": PlainNetwork,
        "vgg": VGG,
        "residual": ResidualNetwork,
        "mlp": MultiLayerPerceptron,
    }
)

MODELS: Mapping[str, str] = MappingProxyType(
    {
        "plain": "a plain deep network: 3×3 convolutions of one width, no shortcuts",
        "vgg": "after VGG: widening stages of 3×3 convolutions and max pooling, a hidden linear",
        "residual": "after ResNet: units of two 3×3 convolutions around a shortcut",
        "mlp": "a multi-layer perceptron: linear layers of one width, no convolutions",
    }
)
"""Name → one line on the model."""


def build(name: str, **arguments: Any) -> Classifier:
    """Builds a model by name.

    Args:
        name: a key of `MODELS`.
        **arguments: those of the model's class: `num_classes`, `in_channels` and `image_size`, and
            where wanted `norm`, `placement`, `init`, `init_gain`, `activation`, `depth`, `width`
            and `dropout`; of `residual` also `branch`.

    Returns:
        The model, whose weights depend on torch's random state alone.

    Raises:
        ValueError: an unknown name, or an argument outside its range.
        TypeError: an argument that the model does not take, or one that is missing.
    """
    if name not in _CLASSES:
        raise ValueError(unknown_name("model", name, _CLASSES))
    cls = _CLASSES[name]
    taken = inspect.signature(cls).parameters
    if "branch" in arguments and "branch" not in taken:
        raise TypeError(
            f"model {name!r} has no residual branches, and takes no branch. Use 'residual', or "
            "leave branch out."
        )
    for argument in arguments:
        if argument not in taken:
            raise TypeError(f"model {name!r}: {unknown_name('argument', argument, taken)}")
    return cls(**arguments)


def defaults(name: str) -> dict[str, Any]:
    """The arguments that a model has defaults for.

    >>> defaults("plain")["depth"]
    8
    """
    if name not in _CLASSES:
        raise ValueError(unknown_name("model", name, _CLASSES))
    parameters = inspect.signature(_CLASSES[name]).parameters
    return {n: p.default for n, p in parameters.items() if p.default is not p.empty}
