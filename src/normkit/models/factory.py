"""Networks that the user's own function makes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

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
        norms: how many norm layers the factory asked for while it made the network, or at how many
            places surgery changed them in what it made; None where it takes no `norm`, and nothing
            was done.
        by: what made the norms those that were wanted: the factory, or surgery on what it made.
    """

    model: torch.nn.Module
    norms: int | None
    by: Literal["factory", "swap", "insert"] = "factory"


def accepted(factory: Callable[..., Any], name: str) -> frozenset[str]:
    """Which of `ARGUMENTS` a factory may accept: all of them if it takes `**kwargs`.

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

    One that takes `**kwargs` is called with all of `ARGUMENTS`, and again without those that it,
    or what it hands them on to, turns out not to take.

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
    asked: list[int] = []

    def make(channels: int, dims: int = 2) -> torch.nn.Module:
        asked.append(channels)
        return make_norm(norm, channels, dims)

    every: dict[str, Any] = {"num_classes": num_classes, "in_channels": in_channels, "norm": make}
    given = {name: value for name, value in every.items() if name in taken}
    model = _called(factory, spec, given, begin=asked.clear)
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
    return Made(model, len(asked) if "norm" in given else None)


def _called(
    factory: Callable[..., Any], spec: str, given: dict[str, Any], begin: Callable[[], None]
) -> object:
    """What a factory returns; what goes through `**kwargs` and is not taken leaves `given`."""
    unnamed = [name for name in given if name not in inspect.signature(factory).parameters]
    dropped: list[str] = []
    while True:
        begin()
        try:
            return factory(**given)
        except (Exception, SystemExit) as error:
            refused = _refused(error, [name for name in unnamed if name in given])
            if refused is None:
                told = f"{spec} could not make its network: {raised(error)}"
                hint = _hint(given, dropped) if unnamed else ""
                raise UserCodeError(told + hint) from error
            dropped.append(refused)
            del given[refused]


def _refused(error: BaseException, unnamed: Sequence[str]) -> str | None:
    """Which of the arguments that went through `**kwargs` an error says cannot be taken."""
    if not isinstance(error, TypeError) or "keyword argument" not in str(error):
        return None
    return next((name for name in unnamed if f"'{name}'" in str(error)), None)


def _hint(given: Iterable[str], dropped: Sequence[str]) -> str:
    """What may help where a factory takes `**kwargs`, and so does not say what it takes."""
    without = f", without {', '.join(dropped)}, which it did not take" if dropped else ""
    return (
        f"; it takes **kwargs and was called with {', '.join(given) or 'nothing'}{without}: write "
        f"a function that names those of {', '.join(ARGUMENTS)} that it takes"
    )
