"""Which surgeries a model has had, since they are undone in the reverse of their order."""

from __future__ import annotations

from itertools import count
from weakref import WeakKeyDictionary

import torch

_number = count()
_had: WeakKeyDictionary[torch.nn.Module, list[tuple[int, str]]] = WeakKeyDictionary()
"""Module → the surgeries on models that it is part of, each by its number and its verb."""


class Turn:
    """The place of one surgery in the order.

    Args:
        verb: the name of the function.
        model: that it was done on.
    """

    def __init__(self, verb: str, model: torch.nn.Module) -> None:
        self.own = (next(_number), verb)
        self.modules = list(model.modules())
        for module in self.modules:
            _had.setdefault(module, []).append(self.own)

    def check_last(self) -> None:
        """Refuses to undo a surgery while a later one stands.

        Raises:
            RuntimeError: part of the model has had another one since.
        """
        for module in self.modules:
            number, verb = _had[module][-1]
            if number != self.own[0]:
                raise RuntimeError(
                    "surgeries are undone in the reverse of their order; since this "
                    f"{self.own[1]} came a {verb} on the same model: undo that one first."
                )

    def end(self) -> None:
        """The surgery is undone."""
        for module in self.modules:
            _had[module].remove(self.own)
