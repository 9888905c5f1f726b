"""What the zoo says of a model: how to make it, what to feed it, and where its answer is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

Origin = Literal["MONAI", "transformers", "plain"]
"""The library a model is made with; "plain" ones are written here, in PyTorch alone."""


def only(output: Any) -> Tensor:
    """The output itself, of a model that returns one tensor."""
    assert isinstance(output, Tensor)
    return output


def first(output: Any) -> Tensor:
    """The first of several outputs, or the only one."""
    return only(output if isinstance(output, Tensor) else output[0])


@dataclass(frozen=True)
class Entry:
    """A small model with the structure of a real one.

    `make` initialises it at random and downloads nothing; `model(example())` runs it, and `output`
    takes one tensor from what it returns, in training as in evaluation.
    """

    name: str
    origin: Origin
    make: Callable[[], nn.Module]
    example: Callable[[], Tensor]
    output: Callable[[Any], Tensor] = only


def images(*shape: int) -> Callable[[], Tensor]:
    """Makes the same random batch of four each time: of images, of volumes, or of series.

    >>> images(3, 32, 32)().shape
    torch.Size([4, 3, 32, 32])
    """
    return lambda: torch.randn(4, *shape, generator=torch.Generator().manual_seed(0))
