"""The order of the surgeries on a model: to undo one is to undo those that came after it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, ref

import torch

if TYPE_CHECKING:
    from normkit.surgery.journal import Journal

_had: WeakKeyDictionary[torch.nn.Module, list[ref[Turn]]] = WeakKeyDictionary()
"""Module → the surgeries on models that it is part of, as long as somebody can undo them."""


class Turn:
    """The place of one surgery in the order.

    Args:
        journal: how it is undone.
        model: that it was done on.
        changes: whether it changed layers; one that changed values alone is in nobody's way.
    """

    def __init__(self, journal: Journal, model: torch.nn.Module, changes: bool) -> None:
        self.later: list[Journal] = []
        """Of those since, on any part of the model; who can undo this one can undo them."""
        earlier: dict[Turn, None] = {}
        for module in model.modules():
            turns = _had.setdefault(module, [])
            turns[:] = [turn for turn in turns if turn() is not None]
            earlier |= dict.fromkeys(turn for each in turns if (turn := each()) is not None)
            turns.append(ref(self))
        self.earlier = [ref(turn) for turn in earlier if changes]
        for turn in earlier if changes else ():
            turn.later.append(journal)

    def undo_later(self) -> None:
        """Undoes what came since, the last one first; what is undone already stays so."""
        while self.later:
            # Undone, it takes itself out; where it cannot be, it stays.
            self.later[-1].undo()

    def end(self, journal: Journal) -> None:
        """The surgery is undone, and nobody need undo it any more."""
        for each in self.earlier:
            turn = each()
            if turn is not None and journal in turn.later:
                turn.later.remove(journal)
