"""What the parameters and buffers of a model hold, to be given back wherever it is by then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import torch
from torch import Tensor

Place = tuple[torch.device, torch.dtype]
Slot = tuple[torch.nn.Module, str, str]
"""A module, "_parameters" or "_buffers", and a name there."""


class Values:
    """What a model held when this was made.

    Args:
        model: the model.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self.model = model
        copies: dict[Tensor, Tensor] = {}
        self.held: list[tuple[Slot, Tensor, Tensor]] = []
        """Where a tensor was found, the tensor, and a copy, of one that is shared a single one."""
        for slot, tensor in _tensors(model):
            if tensor not in copies:
                copies[tensor] = tensor.detach().clone()
            self.held.append((slot, tensor, copies[tensor]))
        self.left: list[tuple[Slot, Place]] = []
        self.out: set[Tensor] = set()
        """Tensors that the surgery took out of the model."""
        self.moves: dict[torch.nn.Module | None, dict[Place, Place]] = {}

    def leave(self) -> None:
        """Notes where the model's tensors are when a surgery is over."""
        live = {tensor for _, tensor in _tensors(self.model)}
        self.out = {tensor for _, tensor, _ in self.held if tensor not in live}
        self.left = [(slot, _place(tensor)) for slot, tensor in _tensors(self.model)]

    def follow(self) -> None:
        """Finds out where layers were moved since, or to which precision they were brought."""
        stayed: set[Place] = set()
        for (module, kind, name), before in self.left:
            tensor = _slots(module, kind).get(name)
            if tensor is None:
                continue
            if _place(tensor) == before:
                stayed.add(before)
                continue
            for of in (module, None):
                self.moves.setdefault(of, {})[before] = _place(tensor)
        # What has no layer of its own that could tell follows the model, if that went as a whole.
        self.moves[None] = {
            before: now for before, now in self.moves.get(None, {}).items() if before not in stayed
        }

    def give_back(self) -> None:
        """Gives the tensors that are found there now what those of then held.

        Those that were out of the model in the meantime follow it.

        Raises:
            RuntimeError: others are there by now, or none; all else has been given back.
        """
        lost = []
        with torch.no_grad():
            for (module, kind, name), before, copy in self.held:
                tensor = _slots(module, kind).get(name)
                if tensor is None or tensor.shape != copy.shape:
                    lost.append(f"{type(module).__name__}.{name}")
                    continue
                if before in self.out:
                    moves = {**self.moves.get(None, {}), **self.moves.get(module, {})}
                    if (place := moves.get(_place(tensor))) is not None:
                        tensor.data = tensor.data.to(*place)
                # `inference_mode(False)` would allow gradients.
                with torch.inference_mode() if tensor.is_inference() else nullcontext():
                    tensor.copy_(copy)
        if lost:
            raise RuntimeError(
                "something else has replaced tensors of the model since the surgery, and they "
                f"cannot be given what they held: {', '.join(lost)}. All else is as it was."
            )


def _tensors(model: torch.nn.Module) -> Iterator[tuple[Slot, Tensor]]:
    for module in model.modules():
        for kind in ("_parameters", "_buffers"):
            for name, tensor in _slots(module, kind).items():
                if tensor is not None:
                    yield (module, kind, name), tensor


def _slots(module: torch.nn.Module, kind: str) -> dict[str, Tensor]:
    slots: dict[str, Tensor] = vars(module)[kind]
    return slots


def _place(tensor: Tensor) -> Place:
    return tensor.device, tensor.dtype
