"""Batches as verbs take them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

Data = Iterable[Any]
"""Batches: `x`, or a tuple or list that begins with it, such as `(x, y)`."""


def as_batches(verb: str, data: Data) -> list[Any]:
    """All batches, to be gone through several times.

    Raises:
        TypeError: something that is no iterable of batches.
    """
    _check(verb, data)
    return list(data)


def inputs(verb: str, data: Data, model: torch.nn.Module) -> Iterator[Tensor]:
    """The `x` of each batch, on the model's device.

    Raises:
        TypeError: something that is no iterable of batches, or a batch without a tensor first.
    """
    _check(verb, data)
    device = next((parameter.device for parameter in model.parameters()), None)
    for batch in data:
        x = batch[0] if isinstance(batch, tuple | list) and batch else batch
        if not isinstance(x, Tensor):
            raise TypeError(
                f"{verb} takes batches that are x or (x, y), with a tensor x; got a "
                f"{type(batch).__name__}."
            )
        yield x if device is None else x.to(device)


def _check(verb: str, data: object) -> None:
    if isinstance(data, Tensor) or not isinstance(data, Iterable):
        raise TypeError(
            f"{verb} takes batches: an iterable of x or (x, y), such as a DataLoader; got a "
            f"{type(data).__name__}. For a single batch write [x]."
        )
