"""New norms for the places that a surgery puts them in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch

from normkit.functional.names import unknown_name
from normkit.nn.catalogue import catalogue, make
from normkit.nn.method import Method
from normkit.surgery.dataflow import Call
from normkit.surgery.groups import legal_counts, legal_groups
from normkit.surgery.norms import METHODS, layer_class

Norm = str | Callable[..., torch.nn.Module]
"""A key of the catalogue, or a function `norm(channels, dims=2)` that makes a layer."""


@dataclass(frozen=True)
class Maps:
    """What a norm is to be called with.

    Attributes:
        channels: C.
        dims: the number of axes of positions, for `nk.make`: 1 for `(N, C)` too.
        positions: of a sample, on the smallest map; 1 for `(N, C)`.
        values: of a channel in the batch, on the smallest map.
    """

    channels: int
    dims: int
    positions: int
    values: int


def maps_of(calls: list[Call], of_output: bool) -> Maps | str:
    """The maps that some calls take or return; or why no norm over channels can go there."""
    if any(not (call.shapes if of_output else call.input_shapes) for call in calls):
        return "it is called by keyword, so that what it takes is not seen"
    shapes = [call.shapes[0] if of_output else call.input_shapes[0] for call in calls]
    first = shapes[0]
    if not 2 <= len(first) <= 5:
        return f"(N, C, *) has 2 to 5 axes; what is there has {len(first)}"
    if any(len(shape) != len(first) or shape[1] != first[1] for shape in shapes):
        return "its calls have maps of different kinds"
    positions = min(prod(shape[2:]) for shape in shapes)
    values = min(shape[0] * prod(shape[2:]) for shape in shapes)
    return Maps(first[1], max(len(first) - 2, 1), positions, values)


def check_norm(verb: str, norm: Norm) -> None:
    """Refuses what names no layer.

    Raises:
        ValueError: an unknown name, or a method on the weights.
        TypeError: something else than a name or a function.
    """
    if callable(norm):
        return
    if not isinstance(norm, str):
        raise TypeError(
            f"{verb} takes a method's name, such as 'batch', or a function norm(channels, dims=2); "
            f"got a {type(norm).__name__}."
        )
    if norm not in catalogue():
        raise ValueError(unknown_name("method", norm, catalogue()))
    if catalogue()[norm].on == "weights":
        raise ValueError(
            f"{norm!r} is a method on the weights: put it on each layer with nk.nn.{norm}(layer)."
        )


def new_norm(
    norm: Norm, maps: Maps, options: Mapping[str, Any], like: torch.nn.Module
) -> torch.nn.Module | str:
    """A norm for some maps, on the device and in the precision of a layer; or why there is none.

    A number of groups that is not legal for a place is made the next smaller one that is.
    """
    if isinstance(norm, str):
        options = dict(options)
        method = catalogue()[norm]
        if "num_groups" in method.options:
            most = options.pop("num_groups", 32)
            options["num_groups"] = legal_groups(maps.channels, maps.positions, most)
        if maps.positions == 1 and method.needs_positions:
            return f"each channel of a sample has one value there, which {norm!r} would erase"
        made = make(norm, maps.channels, maps.dims, **options)
    else:
        made = norm(maps.channels, dims=maps.dims, **options)
    reason = _degenerate(METHODS.get(layer_class(made) or type(made)), made, maps)
    if reason is not None:
        return reason
    parameter = next((p for p in like.parameters() if p.is_floating_point()), None)
    return made if parameter is None else made.to(parameter.device, parameter.dtype)


def open_groups(norm: Norm, maps: Maps, options: Mapping[str, Any]) -> tuple[int, ...]:
    """The numbers of groups among which data may choose; none where there is no such choice."""
    if norm not in ("group", "group_rms") or "num_groups" in options:
        return ()
    return legal_counts(maps.channels, maps.positions)


def _degenerate(method: Method | None, made: torch.nn.Module, maps: Maps) -> str | None:
    """Why a norm would erase what it is given; None where it does not."""
    if method is None or method.standardises is None:
        return None
    groups = getattr(made, "num_groups", 1)
    values = {
        "batch": maps.values,
        "sample": maps.channels // groups * maps.positions,
        "instance": maps.positions,
        "position": maps.channels,
    }[method.standardises]
    if values > 1:
        return None
    return f"each statistic would be of one value there, which {method.name!r} would erase"
