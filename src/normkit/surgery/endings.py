"""What a norm may end with: the functions that are a sum or an activation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from normkit.functional import ACTIVATIONS, Activation

SUMS = frozenset({Tensor.add, Tensor.add_, torch.add, Tensor.__iadd__, Tensor.__add__})
"""The functions that add two tensors."""

IN_PLACE_SUMS = frozenset({Tensor.add_, Tensor.__iadd__})
"""Those that add to the first of the two."""


def _functions(ending: str) -> dict[Callable[..., Any], str]:
    return {
        function: name
        for name in ACTIVATIONS
        for home in (F, torch, Tensor)
        if (function := getattr(home, name + ending, None)) is not None
    }


IN_PLACE_ACTIVATIONS = _functions("_")
"""Those that change what they are given."""

ACTIVATION_OF: Mapping[Callable[..., Any], str] = MappingProxyType(
    _functions("") | IN_PLACE_ACTIVATIONS | {torch.prelu: "prelu", Tensor.prelu: "prelu"}
)
"""The functions that are an activation, and the name of each."""


def activation(
    function: Callable[..., Any], further: tuple[Any, ...], options: dict[str, Any]
) -> Activation:
    """What a call of an activation does, as layers take it.

    Args:
        function: one of `ACTIVATION_OF`.
        further: what it is called with after the tensor.
        options: what it is called with by name, but for the tensor and `inplace`.

    >>> activation(F.relu, (), {}), activation(F.hardtanh, (), {"min_val": 0.0, "max_val": 6.0})
    ('relu', 'relu6')
    """
    name = ACTIVATION_OF[function]
    plain = ACTIVATIONS.get(name, torch.prelu)  # Which has a parameter, and so is no name.
    if name == "leaky_relu" and not further and set(options) == {"negative_slope"}:
        return torch.nn.LeakyReLU(options["negative_slope"])
    if name == "hardtanh" and not further and options == {"min_val": 0.0, "max_val": 6.0}:
        return "relu6"  # As torch.nn.ReLU6 calls it.
    defaults = _DEFAULTS.get(name, {})
    if not further and all(defaults.get(key) == value for key, value in options.items()):
        return name
    return lambda y: plain(y, *further, **options)


_DEFAULTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "leaky_relu": {"negative_slope": 0.01},
        "gelu": {"approximate": "none"},
        "elu": {"alpha": 1.0},
        "celu": {"alpha": 1.0},
        "hardtanh": {"min_val": -1.0, "max_val": 1.0},
        "softplus": {"beta": 1, "threshold": 20},
    }
)
"""Options of activations that mean nothing where they are as here."""
