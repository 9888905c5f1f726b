"""From a spec to a prepared data set: source, subset, split, cache."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from normkit.data.cache import Writer, cached, default_cache, key
from normkit.data.dataset import Dataset
from normkit.data.digits import DigitsSource
from normkit.data.errors import DataError
from normkit.data.factory import FactorySource
from normkit.data.folder import FolderSource
from normkit.data.npz import NpzSource
from normkit.data.resize import check_size
from normkit.data.source import Options, Progress, Source
from normkit.data.split import check_sizes, choose, divide
from normkit.user_code import is_spec
from normkit.user_imports import is_there

FORMS = ("digits", "folder:PATH", "npz:PATH", "package.module:function", "file.py:function")
_KINDS: dict[str, Callable[[Path], Source]] = {"folder": FolderSource, "npz": NpzSource}


def prepare(
    spec: str,
    *,
    image_size: int | tuple[int, int] | None = None,
    limit: int | None = None,
    skip_bad: bool = False,
    seed: int = 0,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Decode images once into the cache; a later call with the same data and options opens it.

    One pool of images is split by the seed into 64 % training, 16 % validation and 20 % test,
    each class alike. A split that the data comes with is kept, and validation, if missing, takes
    20 % of training.

    Args:
        spec: "digits", "folder:PATH" (a folder per class, optionally under train/ and test/),
            "npz:PATH" (arrays x and y, or x_train, y_train, x_test, y_test), or a function of
            yours that returns such arrays, "package.module:name" or "path/to/file.py:name".
        image_size: Resize every image to this side, or to this height and width, bilinearly.
        limit: Take only so many images, classes and given parts in their proportions.
        skip_bad: Leave out files that cannot be decoded, and list them in `Dataset.skipped`.
        seed: Decides the subset and the split.
        cache: Folder for prepared data sets; the user's cache folder if None.
        progress: Called with the number of images decoded so far and the total.

    Returns:
        The prepared data set.

    Raises:
        DataError: If the data or an option breaks a rule; nothing half-written is left.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     digits = prepare("digits", limit=500, cache=Path(folder))
    >>> len(digits.train), len(digits.validation), len(digits.test)
    (320, 80, 100)
    """
    kind, source = _source(spec)
    options = Options(_size(image_size), skip_bad, progress)
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise DataError(f"limit must be a whole number of images, at least 1, got {limit!r}.")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise DataError(f"seed must be a whole number, at least 0, got {seed!r}.")

    def build(writer: Writer) -> None:
        index = source.index(options)
        if len(index.classes) < 2:
            raise DataError(
                f"A data set needs at least 2 classes, {spec} has {len(index.classes)}: "
                f"{', '.join(index.classes) or 'none'}. Give every class its own folder or label."
            )
        check_sizes(index.labels, index.parts, index.classes)
        everything = np.arange(len(index.labels))
        chosen = everything if limit is None else choose(index.labels, index.parts, limit, seed)
        decoded = source.decode(chosen, options, writer.write)
        labels = index.labels[decoded.kept]
        parts = None if index.parts is None else index.parts[decoded.kept]
        check_sizes(labels, parts, index.classes)
        writer.finish(
            spec=spec,
            classes=index.classes,
            labels=labels,
            parts=divide(labels, parts, seed),
            skipped=(*index.skipped, *decoded.skipped),
            notes=(*index.notes, *decoded.notes),
            augmented=index.augmented,
        )

    name = key(kind, spec, source.identity(), options.image_size, limit, skip_bad, seed)
    return cached(cache or default_cache(), name, build)


def is_factory(spec: str) -> bool:
    """Whether data are what a function of the user's returns.

    >>> [is_factory(spec) for spec in ("cells.py:load", "cells:load", "npz:load", "folders:load")]
    [True, True, False, False]
    """
    kind = spec.partition(":")[0]
    if not is_spec(spec) or kind in ("digits", *_KINDS):
        return False
    # What looks like a known source is a mistyped one, unless there is such a file or module.
    return not difflib.get_close_matches(kind, ("digits", *_KINDS), n=1) or is_there(spec)


def _source(spec: str) -> tuple[str, Source]:
    """The kind of source that a spec names, and the source."""
    kind, colon, path = spec.partition(":")
    if spec == "digits":
        return kind, DigitsSource()
    if kind in _KINDS and path:
        return kind, _KINDS[kind](Path(path))
    if is_factory(spec):
        return "factory", FactorySource(spec)
    close = difflib.get_close_matches(kind, ("digits", *_KINDS), n=1)
    if not colon and Path(spec).expanduser().exists():
        hint = f"folder:{spec}" if Path(spec).expanduser().is_dir() else f"npz:{spec}"
    elif close:
        hint = "digits" if close == ["digits"] else f"{close[0]}:{path or 'PATH'}"
    else:
        hint = ""
    raise DataError(
        f"Data must be given as {', '.join(FORMS)}, got {spec!r}."
        + (f" Did you mean {hint}?" if hint else "")
    )


def _size(image_size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if image_size is None:
        return None
    sides = image_size if isinstance(image_size, tuple) else (image_size, image_size)
    if len(sides) != 2 or not all(type(side) is int for side in sides):
        raise DataError(
            f"image_size must be a whole number or a (height, width) pair, got {image_size!r}."
        )
    check_size(sides)
    return sides
