"""Norms in a network whose factory takes none, put in by surgery."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from normkit.models import Made, Norm
from normkit.surgery import Surgery, insert_, remove_, swap_
from normkit.surgery.operation import check_model
from normkit.surgery.passes import run
from normkit.user_code import UserCodeError, raised


def with_norm(made: Made, norm: Norm, images: Tensor) -> Made:
    """Gives a finished network the norm of an arm, or none.

    In a network with norms over channels these are what differs between arms: they are swapped, or
    removed, and the layers before them then given biases. In one without, norms are inserted
    between its convolutions and their activations. All arms differ at the same places.

    Args:
        made: the network, which is changed in place, its weights drawn already.
        norm: as `nk.swap_` takes it; "none" for a network without.
        images: some, `(N, C, H, W)`, for the shapes of the maps.

    Returns:
        The network, the number of places, and whether norms were swapped or inserted there; as it
        was, if there is no such place.

    Raises:
        UserCodeError: the norm cannot stand at one of the places, or the network raises.
    """
    model = made.model
    _try(model, images)
    trial = swap_(model, "batch", example=images)
    swapped = bool(trial.done)
    if not swapped:
        trial.undo()
        trial = insert_(model, "batch", images)
    places = {site.name for site in trial.done}
    trial.undo()
    if not places:
        return made
    surgery = _operate(model, norm, images, places, swapped)
    if surgery is not None and surgery.refused:
        site = surgery.refused[0]
        raise UserCodeError(f"it cannot stand at {site.name!r} of the network: {site.refused}")
    return replace(made, norms=len(places), by="swap" if swapped else "insert")


def _try(model: torch.nn.Module, images: Tensor) -> None:
    try:
        check_model("a study", model)
        run(model, images)
    except Exception as error:
        raise UserCodeError(
            f"the network could not do a batch of images of shape {tuple(images.shape)}: "
            f"{raised(error)}"
        ) from error


def _operate(
    model: torch.nn.Module, norm: Norm, images: Tensor, places: set[str], swapped: bool
) -> Surgery | None:
    def chosen(name: str, _: torch.nn.Module) -> bool:
        return name in places

    try:
        if norm == "none":
            return remove_(model, images, where=chosen) if swapped else None
        if swapped:
            return swap_(model, norm, example=images, where=chosen)
        return insert_(model, norm, images, where=chosen)
    except ValueError as error:
        raise UserCodeError(str(error)) from error
