"""Functions that have to do with the shape of a tensor rather than with its values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, flatten, reshape

RESHAPES = frozenset({Tensor.view, Tensor.reshape, Tensor.flatten, flatten, reshape})
"""Functions that leave values in their order."""


SHAPED_AS: Mapping[Any, Callable[..., Tensor]] = {
    Tensor.reshape_as: Tensor.reshape,
    Tensor.view_as: Tensor.view,
    Tensor.expand_as: Tensor.expand,
}
"""Functions that read of their second tensor its shape alone, and what each does with it."""
