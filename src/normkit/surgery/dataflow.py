"""What feeds what in a model, as one forward pass shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from normkit.surgery.table import text_table

INPUT = -1
"""Stands for the model's input where the numbers of calls are told."""

OUTSIDE = -2
"""Stands for a tensor that no call has made: a parameter, a buffer, a constant."""


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer, or of a function outside of all layers.

    Attributes:
        index: its place in the order of the calls.
        name: of the layer in the model; for a function, of the module whose `forward` calls it.
        module: the layer; None for a function.
        function: the function; None for a layer.
        takes: where each tensor among the arguments came from: the index of a call, `INPUT` or
            `OUTSIDE`.
        input_shapes: of these tensors.
        shapes: of the tensors that it returned.
        in_place: whether it changed a tensor that it was given.
        is_output: whether a tensor that it returned is among the model's outputs.
    """

    index: int
    name: str
    module: torch.nn.Module | None
    function: Callable[..., Any] | None
    takes: tuple[int, ...]
    input_shapes: tuple[torch.Size, ...]
    shapes: tuple[torch.Size, ...]
    in_place: bool
    is_output: bool

    @property
    def what(self) -> str:
        """The class of the layer, or the name of the function."""
        if self.module is not None:
            return type(self.module).__name__
        return function_name(self.function)

    def __str__(self) -> str:
        where = f"{self.name}: " if self.name and self.module is not None else ""
        return f"{where}{self.what}"


@dataclass(frozen=True, eq=False)
class Flow:
    """The calls of one forward pass, in their order; printed, a table.

    Attributes:
        calls: of layers, and of functions outside of them.
    """

    calls: tuple[Call, ...]
    _handed: tuple[tuple[torch.nn.Module, int], ...] = field(default=(), repr=False)
    """Modules made of others, and the calls whose tensors they took or returned."""

    def __len__(self) -> int:
        return len(self.calls)

    def __iter__(self) -> Iterator[Call]:
        return iter(self.calls)

    @cached_property
    def _readers(self) -> dict[int, list[Call]]:
        readers: dict[int, list[Call]] = {}
        for call in self.calls:
            for source in dict.fromkeys(call.takes):
                readers.setdefault(source, []).append(call)
        return readers

    @cached_property
    def _calls_of(self) -> dict[torch.nn.Module, list[Call]]:
        calls: dict[torch.nn.Module, list[Call]] = {}
        for call in self.calls:
            if call.module is not None:
                calls.setdefault(call.module, []).append(call)
        return calls

    def readers(self, call: Call) -> list[Call]:
        """The calls that take what a call returned; the model's output is not among them."""
        return self._readers.get(call.index, [])

    def sources(self, call: Call) -> list[Call | None]:
        """The calls whose tensors a call takes; None for the input and what no call made."""
        return [self.calls[source] if source >= 0 else None for source in call.takes]

    def handed_through(self, call: Call) -> list[torch.nn.Module]:
        """The modules made of others that took or returned what a call returned."""
        return [module for module, source in self._handed if source == call.index]

    def calls_of(self, module: torch.nn.Module) -> list[Call]:
        """The calls of a layer, in their order."""
        return self._calls_of.get(module, [])

    def __str__(self) -> str:
        rows = [
            (
                str(call.index),
                call.what + (" (in place)" if call.in_place else ""),
                call.name or "–",
                ", ".join(map(_source, call.takes)) or "–",
                ", ".join(str(tuple(shape)) for shape in call.shapes) or "–",
                ", ".join(
                    [str(reader.index) for reader in self.readers(call)]
                    + (["output"] if call.is_output else [])
                )
                or "–",
            )
            for call in self.calls
        ]
        return text_table(("#", "call", "in the model", "takes", "gives", "read by"), rows)


def function_name(function: Callable[..., Any] | None) -> str:
    """The name of a function of torch as it is written in a model.

    >>> function_name(torch.nn.functional.relu), function_name(torch.Tensor.add_)
    ('relu', 'add_')
    """
    name = getattr(function, "__name__", type(function).__name__)
    if name == "__get__":
        # A property, such as x.T, arrives as the method that reads it.
        name = getattr(getattr(function, "__self__", None), "__name__", name)
    return name.strip("_") if name.startswith("__") else name


def _source(source: int) -> str:
    return {INPUT: "input", OUTSIDE: "constant"}.get(source, str(source))
