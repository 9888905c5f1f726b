"""What the parameters and buffers of a model hold, to be given back wherever it is by then."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

Place = tuple[torch.device, torch.dtype]


class Values:
    """What a model held when this was made.

    Args:
        model: the model.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self.model = model
        # Of a tensor that is shared, one copy.
        found = {each[-1]: each for each in _tensors(model)}
        self.copies = [
            (module, kind, name, tensor.detach().clone())
            for module, kind, name, tensor in found.values()
        ]
        self.left: list[tuple[torch.nn.Module, str, str, Place]] = []
        self.moved: dict[Place, Place] = {}

    def leave(self) -> None:
        """Notes where the model's tensors are when a surgery is over."""
        self.left = [
            (module, kind, name, _place(tensor))
            for module, kind, name, tensor in _tensors(self.model)
        ]

    def follow(self) -> None:
        """Finds out where the model was moved since, or to which precision it was brought."""
        for module, kind, name, before in self.left:
            tensor = _slots(module, kind).get(name)
            if tensor is not None and _place(tensor) != before:
                self.moved[before] = _place(tensor)

    def give_back(self) -> None:
        """Gives the tensors that are found there now what those of then held.

        Those that were out of the model in the meantime follow the others.
        """
        with torch.no_grad():
            for module, kind, name, copy in self.copies:
                tensor = _slots(module, kind)[name]
                place = self.moved.get(_place(tensor))
                if place is not None and _place(tensor) == _place(copy):
                    tensor.data = tensor.data.to(*place)
                tensor.copy_(copy)


def _tensors(model: torch.nn.Module) -> Iterator[tuple[torch.nn.Module, str, str, Tensor]]:
    for module in model.modules():
        for kind in ("_parameters", "_buffers"):
            for name, tensor in _slots(module, kind).items():
                if tensor is not None:
                    yield module, kind, name, tensor


def _slots(module: torch.nn.Module, kind: str) -> dict[str, Tensor]:
    slots: dict[str, Tensor] = vars(module)[kind]
    return slots


def _place(tensor: Tensor) -> Place:
    return tensor.device, tensor.dtype
