"""What is written into a compiled graph as it is, instead of being traced.

Inside a transform of `torch.func` whether a buffer may be changed shows in how the tensors are
wrapped, which is seen when the graph is run or lowered, not when Python is traced.
"""

from __future__ import annotations

import torch
from torch import Tensor

from normkit.functional.running import is_captured


@torch.compiler.allow_in_graph  # type: ignore[untyped-decorator]
def assign_in_graph_(buffer: Tensor, value: Tensor) -> Tensor:
    """`assign_`, for a graph; returns the value, since a node of a graph returns a tensor."""
    if not is_captured(buffer, value):
        buffer.copy_(value)
    return value.clone()
