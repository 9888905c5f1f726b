"""A model's layers before and after a surgery, to be had in turns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch

_CONTENTS = ("_parameters", "_buffers", "_modules")


@dataclass(frozen=True)
class LayerState:
    """What a layer is; its tensors are not copied.

    Attributes:
        cls: its class.
        attributes: all that is in it.
        contents: "_parameters", "_buffers" and "_modules" → what each of these dictionaries holds.
    """

    cls: type
    attributes: dict[str, Any]
    contents: dict[str, dict[str, Any]]


State = dict[torch.nn.Module, LayerState]


def state_of(modules: Iterable[torch.nn.Module]) -> State:
    """What layers are, so that `put_` can make them that again."""
    return {
        module: LayerState(
            type(module),
            dict(vars(module)),
            {name: dict(vars(module)[name]) for name in _CONTENTS},
        )
        for module in modules
    }


def put_(state: State) -> None:
    """Makes layers what they were when the state was taken."""
    for module, layer in state.items():
        object.__setattr__(module, "__class__", layer.cls)
        vars(module).clear()
        vars(module).update(layer.attributes)
        for name, content in layer.contents.items():
            # The dictionaries stay the same ones: a journal that undoes writes into them.
            held = vars(module)[name]
            held.clear()
            held.update(content)
