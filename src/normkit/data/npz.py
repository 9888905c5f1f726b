"""Images in a NumPy archive: arrays x and y, or x_train, y_train, x_test and y_test."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from normkit.data.arrays import ArraySource
from normkit.data.errors import DataError


class NpzSource(ArraySource):
    """Arrays of images and labels in one file; nothing in it is ever unpickled.

    Args:
        path: The .npz file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.expanduser().resolve()

    def identity(self) -> object:
        """Return the file's path, size and modification time."""
        if not self._path.is_file():
            came = "is a folder" if self._path.is_dir() else "does not exist"
            raise DataError(
                f"npz:PATH must be a file written by numpy.savez, but {self._path} {came}."
            )
        stat = self._path.stat()
        return {"path": str(self._path), "size": stat.st_size, "modified": stat.st_mtime_ns}

    def load(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of the file."""
        try:
            opened = self._path.open("rb")
        except OSError as error:
            raise DataError(
                f"npz:{self._path} must be a file that can be read: {error.strerror}. "
                "Check the path and its permissions."
            ) from error
        with opened as file:
            try:
                archive = np.load(file, allow_pickle=False)
                if not isinstance(archive, np.lib.npyio.NpzFile):
                    raise ValueError("it holds one bare array")
            except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
                raise DataError(
                    f"npz:PATH must be an archive written by numpy.savez, but {self._path} cannot "
                    f"be read as one: {error}. Write it with numpy.savez(path, x=images, y=labels)."
                ) from error
            return {name: _read(archive, name) for name in _wanted(archive.files, self._path)}


def _wanted(names: list[str], path: Path) -> list[str]:
    pool, split = ["x", "y"], ["x_train", "y_train", "x_test", "y_test"]
    validation: list[str] = [name for name in ("x_val", "y_val") if name in names]
    has_pool, has_split = set(pool) <= set(names), set(split) <= set(names)
    if has_pool == has_split or (has_split and len(validation) == 1):
        raise DataError(
            "The archive must have either x and y, or x_train, y_train, x_test and y_test "
            f"(optionally x_val and y_val), but {path} has {', '.join(names) or 'no arrays'}. "
            "Rename the arrays."
        )
    return pool if has_pool else split + validation


def _read(archive: np.lib.npyio.NpzFile, name: str) -> npt.NDArray[Any]:
    try:
        array: npt.NDArray[Any] = archive[name]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"Every array must be plain numbers that load whole, but {name} does not: {error} "
            "Arrays of objects are never unpickled; save x as uint8 or float, y as int64."
        ) from error
    return array
