"""Optimizers that hold the parameters of a model under surgery."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import LBFGS, Optimizer

from normkit.surgery.journal import Journal

Optimizers = Optimizer | Iterable[Optimizer]


def mend_(
    optimizers: Optimizers,
    replaced: Mapping[Parameter, Parameter | None],
    journal: Journal,
    added: Mapping[Parameter, Parameter] | None = None,
    forget: Iterable[Tensor] = (),
) -> None:
    """Puts the parameters of a surgery into the groups of optimizers.

    A parameter that is replaced leaves its place in its group to the new one; what was remembered
    of it, such as its momentum, is forgotten. A new one comes into the group of the parameter that
    it goes with.

    Args:
        optimizers: one or several.
        replaced: parameter → the one that takes its place, or None.
        journal: where the change is noted.
        added: new parameter → the one whose group it joins, before it was replaced.
        forget: parameters that stay, but of which nothing is to be remembered.

    Raises:
        TypeError: something that is no optimizer.
    """
    forget = list(forget)
    for optimizer in as_list(optimizers):
        _note(optimizer, journal)
        for parameter in forget:
            optimizer.state.pop(parameter, None)
        for group in optimizer.param_groups:
            held = set(group["params"])
            # Two that were one parameter's each may be replaced by the same.
            kept: dict[Parameter, None] = {}
            for parameter in group["params"]:
                new = replaced.get(parameter, parameter)
                if new is not parameter:
                    optimizer.state.pop(parameter, None)
                if new is not None:
                    kept[new] = None
            joined = [new for new, beside in (added or {}).items() if beside in held]
            # In place: a scheduler, or the user, may hold the list.
            group["params"][:] = [*kept, *joined]


def no_longer_held(
    model: torch.nn.Module, parameters: Iterable[Parameter]
) -> dict[Parameter, Parameter | None]:
    """For `mend_`: those of some parameters that a model holds nowhere any more."""
    held = set(model.parameters())
    return {parameter: None for parameter in parameters if parameter not in held}


def as_list(optimizers: Optimizers) -> list[Optimizer]:
    """The optimizers that were given.

    Raises:
        TypeError: something that is no optimizer, or one that keeps parameters in one row.
    """
    given = [optimizers] if isinstance(optimizers, Optimizer) else list(optimizers)
    for optimizer in given:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                "optimizers are one torch.optim.Optimizer or several; got a "
                f"{type(optimizer).__name__}."
            )
        if isinstance(optimizer, LBFGS):
            raise TypeError(
                "LBFGS keeps what it knows of all parameters in one row, in which a surgery cannot "
                "replace some. Make it anew after the surgery."
            )
    return given


def _note(optimizer: Optimizer, journal: Journal) -> None:
    """Remembers groups and state, the first time that a surgery comes to an optimizer."""
    if not journal.is_first(optimizer):
        return
    groups = [(group["params"], list(group["params"])) for group in optimizer.param_groups]
    state: dict[Any, Any] = {key: dict(value) for key, value in optimizer.state.items()}
    journal.keep_values(
        value for kept in state.values() for value in kept.values() if isinstance(value, Tensor)
    )

    def back() -> None:
        for parameters, before in groups:
            parameters[:] = before
        optimizer.state.clear()
        optimizer.state.update(state)

    journal.call(back)
