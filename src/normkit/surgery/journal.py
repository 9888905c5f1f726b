"""What a surgery changed, written down as it is done, so that it can be taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from normkit.surgery.order import Turn


class Journal:
    """Changes of a model and how each is taken back; all of them go through here."""

    def __init__(self) -> None:
        self._back: list[Callable[[], None]] = []
        self._met: list[object] = []
        self._turn: Turn | None = None
        self._changes = False
        self._classes: dict[torch.nn.Module, type] = {}
        """As the surgery left them."""

    def keep_values(self, tensors: Iterable[Tensor]) -> None:
        """Remembers what tensors hold, for those that are to be as before whatever comes."""
        kept = [(tensor, tensor.detach().clone()) for tensor in tensors]

        def back() -> None:
            with torch.no_grad():
                for tensor, before in kept:
                    tensor.copy_(before)

        self._back.append(back)

    def become(self, module: torch.nn.Module, cls: type) -> None:
        """Gives a module another class."""
        self._changes = True
        before = module.__class__
        self._back.append(lambda: _set_class(module, before))
        self._classes[module] = cls
        _set_class(module, cls)

    def set(self, module: torch.nn.Module, name: str, value: object) -> None:
        """Sets an attribute of a module: a parameter, a buffer, a child or any other."""
        self._changes = True
        for slots in _slots(module):
            if name in slots:
                self._back.append(partial(slots.__setitem__, name, slots[name]))
                slots[name] = value
                return
        self._back.append(lambda: delattr(module, name))
        setattr(module, name, value)

    def is_first(self, what: object) -> bool:
        """Whether this is the first time that it is asked about something."""
        first = all(what is not each for each in self._met)
        self._met.append(what)
        return first

    def call(self, back: Callable[[], None]) -> None:
        """Notes how a change that is about to be made elsewhere is taken back."""
        self._back.append(back)

    @property
    def is_undone(self) -> bool:
        """Whether the surgery that it is of has been taken back."""
        return self._turn is None

    def close(self, model: torch.nn.Module) -> None:
        """Ends a surgery, which has its place in the order of those on the model from now on."""
        self._turn = Turn(self, model, changes=self._changes)

    def undo(self) -> None:
        """Takes back all changes, the last one first; after that there are none.

        Those of later surgeries on any part of the model are taken back before.

        Raises:
            RuntimeError: something else has changed the class of a layer since; nothing is undone
                then, but for surgeries that came after that.
        """
        if (turn := self._turn) is not None:
            turn.undo_later()
            self._check_classes()
            turn.end(self)
        self._turn = None
        self._classes.clear()
        while self._back:
            self._back.pop()()

    def _check_classes(self) -> None:
        for module, left in self._classes.items():
            if type(module) is not left:
                raise RuntimeError(
                    f"this surgery made a layer a {left.__name__}, and since then something else "
                    f"has made it a {type(module).__name__}, as a parametrization does. Take that "
                    "back first."
                )


def _set_class(module: torch.nn.Module, cls: type) -> None:
    object.__setattr__(module, "__class__", cls)


def _slots(module: torch.nn.Module) -> list[dict[str, Any]]:
    return [module._parameters, module._buffers, module._modules, vars(module)]
