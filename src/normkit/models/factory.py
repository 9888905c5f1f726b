"""Networks that the user's own function makes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from normkit.models.block import Norm, make_norm
from normkit.user_code import UserCodeError, load, raised

ARGUMENTS = ("num_classes", "in_channels", "norm")
"""What a factory is called with, as far as it accepts it."""


@dataclass(frozen=True)
class Made:
    """A network that a factory made.

    Attributes:
        model: the network.
        norms: how many norm layers the factory asked for while it made the network; None where it
            takes no `norm`.
    """

    model: torch.nn.Module
    norms: int | None


def accepted(factory: Callable[..., Any], name: str) -> frozenset[str]:
    """Which of `ARGUMENTS` a factory accepts: all of them if it takes `**kwargs`.

    Args:
        factory: a function or class.
        name: what errors call it.

    Raises:
        UserCodeError: it requires another argument, or one of these without its name.

    >>> sorted(accepted(lambda num_classes, norm=None: None, "mine"))
    ['norm', 'num_classes']
    """
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError) as error:
        raise UserCodeError(
            f"{name} must be a function or class written in Python; its arguments cannot be read: "
            f"{error}"
        ) from error
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    taken = set()
    for parameter in parameters:
        if parameter.kind is parameter.VAR_KEYWORD:
            return frozenset(ARGUMENTS)
        if parameter.kind in by_name and parameter.name in ARGUMENTS:
            taken.add(parameter.name)
        elif (
            parameter.default is parameter.empty and parameter.kind is not parameter.VAR_POSITIONAL
        ):
            raise UserCodeError(
                f"a model's factory is called with {', '.join(ARGUMENTS)}, those it accepts, by "
                f"name; {name} also requires {parameter.name!r}: give it a default"
            )
    return frozenset(taken)


def from_factory(spec: str, *, num_classes: int, in_channels: int, norm: Norm) -> Made:
    """Makes a network with the user's factory.

    Args:
        spec: the factory, `package.module:name` or `path/to/file.py:name`.
        num_classes: K, of the logits `(N, K)`.
        in_channels: C, of the images `(N, C, H, W)`.
        norm: a key of the catalogue, or a callable; the factory gets `norm(channels, dims=2)`,
            which returns a module.

    Raises:
        UserCodeError: the factory cannot be found, requires what it is not given, raises, or
            returns no module with parameters.

    >>> made = from_factory("torch.nn:Identity", num_classes=2, in_channels=1, norm="batch")
    Traceback (most recent call last):
        ...
    normkit.user_code.UserCodeError: torch.nn:Identity must return a network with parameters to \
train; the Identity it returned has none
    """
    factory = load(spec)
    taken = accepted(factory, spec)
    asked = 0

    def make(channels: int, dims: int = 2) -> torch.nn.Module:
        nonlocal asked
        asked += 1
        return make_norm(norm, channels, dims)

    given: dict[str, Any] = {"num_classes": num_classes, "in_channels": in_channels, "norm": make}
    try:
        model = factory(**{name: given[name] for name in taken})
    except (Exception, SystemExit) as error:
        raise UserCodeError(f"{spec} could not make its network: {raised(error)}") from error
    if not isinstance(model, torch.nn.Module):
        raise UserCodeError(
            f"{spec} must return a torch.nn.Module; it returned a {type(model).__name__}: return "
            "the network itself"
        )
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise UserCodeError(
            f"{spec} must return a network with parameters to train; the "
            f"{type(model).__name__} it returned has none"
        )
    return Made(model, asked if "norm" in taken else None)
