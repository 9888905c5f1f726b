"""The places in a model that verbs look at."""

from __future__ import annotations

import torch

from normkit.surgery.dataflow import Call, Flow
from normkit.surgery.derived import Derived, own_class
from normkit.surgery.norms import is_norm
from normkit.surgery.shapes import RESHAPES
from normkit.surgery.surgery import Where

Names = dict[torch.nn.Module, str]
"""Module → its name in the model."""


def names_of(model: torch.nn.Module) -> Names:
    """The name of every module; of one with several, the first."""
    return {module: name for name, module in model.named_modules()}


def called_norms(seen: Flow, names: Names, where: Where | None) -> list[torch.nn.Module]:
    """The norms that were called, in the order of their first calls."""
    called = dict.fromkeys(call.module for call in seen if call.module is not None)
    return [
        module
        for module in called
        if is_norm(module) and module in names and (where is None or where(names[module], module))
    ]


def class_name(module: torch.nn.Module) -> str:
    """The name of a layer's class, without what surgeries have added."""
    return own_class(module).__name__


def changed_already(module: torch.nn.Module) -> str | None:
    """Why a layer that another surgery has changed is left alone; None where none has."""
    if not isinstance(module, Derived):
        return None
    return f"another surgery has made it a {type(module).__name__}: undo that one first"


def reshapes(call: Call) -> bool:
    """Whether a call changes axes of a tensor, but not the last one."""
    return (
        call.function in RESHAPES
        and len(call.takes) == len(call.shapes) == 1
        and call.input_shapes[0][-1:] == call.shapes[0][-1:]
    )


def only_source(seen: Flow, call: Call) -> Call | str:
    """The layer whose result a call takes, and nobody else; or why there is none.

    It may be reshaped in between.
    """
    if len(call.takes) != 1 or call.takes[0] < 0:
        return "no layer is before it"
    source = seen.calls[call.takes[0]]
    if reshapes(source) and len(seen.readers(source)) == 1:
        return only_source(seen, source)
    if source.is_output or len(seen.readers(source)) > 1:
        return f"what {source} returns, before it, is read by others too"
    return source


def only_reader(seen: Flow, call: Call) -> Call | str:
    """The layer that takes what a call returned, and nothing else; or why there is none.

    It may be reshaped in between.
    """
    readers = seen.readers(call)
    if call.is_output or len(readers) != 1:
        return "no single layer is after it"
    if reshapes(readers[0]):
        return only_reader(seen, readers[0])
    if readers[0].takes != (call.index,):
        return f"{readers[0]} is after it"
    return readers[0]
