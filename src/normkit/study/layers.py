"""The layers of a network that probes look at."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from normkit.models import Classifier


@dataclass(frozen=True)
class Layer:
    """A convolution or linear layer, the norm that goes with it, and what their output is."""

    linear: nn.Conv2d | nn.Linear
    norm: nn.Module | None
    """None, or an identity, where the layer has no norm."""
    output: nn.Module
    """The module whose output is the layer's: after norm and activation."""


def layers(model: nn.Module) -> list[Layer]:
    """The hidden layers of a network in the order of depth, those on shortcuts left out.

    Raises:
        TypeError: the model is not one of normkit's.
    """
    if not isinstance(model, Classifier):
        raise TypeError(f"layers are known of normkit's own models; got {type(model).__name__}")
    return [Layer(block.linear, block.norm, block) for block in model.blocks]
