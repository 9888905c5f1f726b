"""The operators on a GPU, in Triton: imported only once a tensor that is there arrives.

What a kernel goes over is a matrix as it lies in memory: the positions of all samples by the
channels where a map is channels-last (or has no positions), else the planes of all channels by
their positions. A program takes a tile of it, and the next one after that, through its part.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor


@cache
def operator(name: str) -> Callable[..., Any]:
    """The operator of that name, launched on the device of the tensors that it is given."""
    run = getattr(import_module("normkit.kernels.cuda.operators"), name)

    def on_their_device(*arguments: Any) -> Any:
        # Triton launches on the current device, whichever the tensors are on.
        first = next(value for value in arguments if isinstance(value, Tensor))
        with torch.cuda.device_of(first):
            return run(*arguments)

    return on_their_device
