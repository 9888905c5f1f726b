"""Images that the user's own function returns, and the augmentation it returns with them."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Sequence
from functools import cache, cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from normkit.data.arrays import ArraySource
from normkit.data.errors import DataError
from normkit.data.source import Index, Options
from normkit.seeding import seeded
from normkit.user_code import UserCodeError, load, path_restored, raised

Augmentation = Callable[[Tensor], Any]

_SEED = 0
"""What a data factory draws from: the same images each time, if its draws are at random."""

_RULE = (
    "a data factory returns (x, y), or ((x, y), (x, y)) for training and test, and after them, "
    "where wanted, a function augment(images)"
)


class FactorySource(ArraySource):
    """Arrays or tensors that the user's function returns, as `npz:PATH` takes them.

    Args:
        spec: the function, `package.module:name` or `path/to/file.py:name`; called without
            arguments.
    """

    def __init__(self, spec: str) -> None:
        self._spec = spec

    def identity(self) -> object:
        """Return a digest of the content, and whether there is an augmentation."""
        content = hashlib.sha256()
        for name, array in self.load().items():
            content.update(f"{name} {array.dtype} {array.shape}:".encode())
            content.update(np.ascontiguousarray(array).data)
        return {"content": content.hexdigest(), "augmented": self._augmented}

    def index(self, options: Options) -> Index:
        """Return the labels, after checking every array."""
        index = super().index(options)
        return Index(index.classes, index.labels, index.parts, augmented=self._augmented)

    def load(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays, by the names that an archive would have them under."""
        return self._returned[0]

    @property
    def _augmented(self) -> bool:
        return self._returned[1]

    @cached_property
    def _returned(self) -> tuple[dict[str, npt.NDArray[Any]], bool]:
        values = _call(self._spec)
        augmented = bool(values) and callable(values[-1])
        pair = values[:-1] if augmented else values
        if len(pair) != 2:
            raise DataError(f"{self._spec}: {_RULE}; this one returned {_shown(values)}.")
        if not all(isinstance(part, tuple | list) for part in pair):
            x, y = pair
            return {"x": self._array(x, "x"), "y": self._array(y, "y")}, augmented
        arrays = {}
        for part, suffix in zip(pair, ("_train", "_test"), strict=True):
            if len(part) != 2:
                raise DataError(f"{self._spec}: {_RULE}; this one returned {_shown(values)}.")
            for name, array in zip("xy", part, strict=True):
                arrays[name + suffix] = self._array(array, name + suffix)
        return arrays, augmented

    def _array(self, given: object, name: str) -> npt.NDArray[Any]:
        if isinstance(given, Tensor):
            given = given.detach().cpu()
            return (given.float() if given.dtype is torch.bfloat16 else given).numpy()
        if not isinstance(given, np.ndarray):
            raise DataError(
                f"{self._spec}: {name} must be a NumPy array or a tensor, got a "
                f"{type(given).__name__}. Convert it: numpy.asarray({name})."
            )
        if given.dtype.hasobject:
            raise DataError(
                f"{self._spec}: {name} must hold plain numbers, got an array of objects. Convert "
                f"it: numpy.stack(list({name}))."
            )
        return given


def augmentation(spec: str) -> Augmentation:
    """The augmentation that a data factory returns last.

    The factory is called once more for it, in every process: so any callable will do, a closure or
    an object too.

    Raises:
        UserCodeError: the factory cannot be called, or returns none.
    """
    return _augmentation(load(spec), spec)


@cache
def _augmentation(function: Callable[..., Any], spec: str) -> Augmentation:
    last = _call(spec)[-1]
    if not callable(last):
        raise UserCodeError(
            f"{spec} must return the same each time; it returned an augmentation before, and now "
            f"a {type(last).__name__}"
        )
    return last  # type: ignore[no-any-return]


def _call(spec: str) -> Sequence[Any]:
    """What the user's function returns: a tuple or list."""
    with path_restored():
        try:
            # Apart, since a file runs once, and what it draws then is not to move the factory's.
            with seeded(_SEED):
                function = load(spec)
            _check_takes_nothing(function, spec)
            with seeded(_SEED):
                values = function()
        except UserCodeError as error:
            raise DataError(str(error)) from error
        except (Exception, SystemExit) as error:
            raise DataError(f"{spec} could not make its data: {raised(error)}") from error
    if not isinstance(values, tuple | list):
        raise DataError(f"{spec}: {_RULE}; this one returned {_shown(values)}.")
    return values


def _check_takes_nothing(function: Callable[..., Any], spec: str) -> None:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return  # Calling it will tell.
    required = [
        p.name
        for p in parameters
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    if required:
        raise UserCodeError(
            f"a data factory is called without arguments; {spec} requires "
            f"{', '.join(required)}: give defaults"
        )


def _shown(values: object) -> str:
    if isinstance(values, tuple | list):
        return f"({', '.join(_shown(value) for value in values)})"
    shape = getattr(values, "shape", None)
    return type(values).__name__ + ("" if shape is None else f" {tuple(shape)}")
