"""The cache of prepared data sets: found by key, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import numpy as np
from filelock import FileLock
from platformdirs import user_cache_path

from normkit.data.dataset import FORMAT, IMAGES, INDEX, MANIFEST, Dataset, fingerprint
from normkit.data.errors import DataError
from normkit.data.source import Images, Labels
from normkit.data.statistics import channel_statistics


def default_cache() -> Path:
    """Return this user's cache folder for prepared data sets."""
    return user_cache_path("normkit") / "data"


def key(name: str, *parts: object) -> str:
    """Return a folder name that differs whenever a part differs.

    >>> key("digits", {"seed": 0}) == key("digits", {"seed": 1})
    False
    """
    text = json.dumps([FORMAT, parts], sort_keys=True)
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def cached(cache: Path, name: str, build: Callable[[Writer], None]) -> Dataset:
    """Open the data set `name`, which `build` writes first if it is not there, whole and sound.

    Several processes may ask at once: one builds, the others wait and open what it built.

    Args:
        cache: The folder that holds data sets.
        name: As `key` returns it.
        build: Writes the images and finishes the writer.

    Raises:
        DataError: If the cache cannot be written; whatever `build` raises goes on unchanged.
            Nothing half-written is left.
    """
    folder = cache / name
    if (dataset := _open_sound(folder)) is not None:
        return dataset
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = FileLock(cache / f"{name}.lock")
        lock.acquire()
    except OSError as error:
        raise _unwritable(cache, error) from error
    try:
        if (dataset := _open_sound(folder)) is not None:
            return dataset
        # Whoever holds the lock is the only builder of this name: these were left by a kill.
        for stale in cache.glob(f".{name}.*"):
            shutil.rmtree(stale, ignore_errors=True)
        with Writer(cache, name) as writer:
            build(writer)
            writer.publish(folder)
    finally:
        lock.release()
    return Dataset.open(folder)


class Writer:
    """Writes one data set into a temporary folder, and moves it into place when it is whole."""

    def __init__(self, cache: Path, name: str) -> None:
        self._cache = cache
        self._shape: tuple[int, ...] = ()
        self._count = 0
        self._dtype = ""
        self._hash = hashlib.sha256()
        try:
            self._folder = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=cache))
            self._file = (self._folder / IMAGES).open("wb")
        except OSError as error:
            raise _unwritable(cache, error) from error

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._file.close()
        except OSError as failure:  # the last buffered bytes may not fit the disk either
            if error is None:
                raise _unwritable(self._cache, failure) from failure
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def write(self, images: Images) -> None:
        """Append images, uint8 or float32, shape `(N, C, H, W)`."""
        if not self._count:
            self._shape, self._dtype = images.shape[1:], images.dtype.name
        if images.shape[1:] != self._shape or images.dtype.name != self._dtype:
            raise TypeError(f"{images.shape[1:]} {images.dtype} after {self._shape} {self._dtype}")
        content = np.ascontiguousarray(images).data
        try:
            self._file.write(content)
        except OSError as error:
            raise _unwritable(self._cache, error) from error
        self._hash.update(content)
        self._count += len(images)

    def finish(
        self,
        *,
        spec: str,
        classes: tuple[str, ...],
        labels: Labels,
        parts: tuple[Labels, Labels, Labels],
        skipped: tuple[tuple[str, str], ...],
        notes: tuple[str, ...],
        augmented: bool = False,
    ) -> None:
        """Write what belongs to the images: labels, parts, statistics, fingerprint."""
        shape = [self._count, *self._shape]
        arrays = dict(zip(("train", "validation", "test"), parts, strict=True), labels=labels)
        try:
            self._file.close()
            images = np.memmap(self._folder / IMAGES, self._dtype, "r", shape=tuple(shape))
            mean, std = channel_statistics(images, parts[0])
            del images  # a mapped file cannot be moved on every system
            constant = [str(c) for c, s in enumerate(std) if s == 0]
            if constant:
                notes += (f"Channel {', '.join(constant)} is constant over the training images.",)
            manifest = {
                "format": FORMAT,
                "spec": spec,
                "classes": classes,
                "shape": shape,
                "dtype": self._dtype,
                "images_sha256": self._hash.hexdigest(),
                "fingerprint": fingerprint(shape, self._dtype, self._hash.hexdigest(), arrays),
                "mean": mean,
                "std": std,
                "skipped": skipped,
                "notes": notes,
                "augmented": augmented,
            }
            np.savez(self._folder / INDEX, allow_pickle=False, **arrays)
            text = json.dumps(manifest, indent=1)
            (self._folder / MANIFEST).write_text(text, encoding="utf-8")
        except OSError as error:
            raise _unwritable(self._cache, error) from error

    def publish(self, folder: Path) -> None:
        """Move the finished data set to `folder`, in place of a damaged one."""
        try:
            if folder.exists():
                shutil.rmtree(folder)
            self._folder.rename(folder)
        except OSError as error:
            raise _unwritable(self._cache, error) from error


def _open_sound(folder: Path) -> Dataset | None:
    """The data set in `folder`, or None where there is none that is whole."""
    if not folder.is_dir():
        return None
    try:
        dataset = Dataset.open(folder)
        dataset.verify()
    except DataError:
        return None
    return dataset


def _unwritable(cache: Path, error: OSError) -> DataError:
    return DataError(
        f"Prepared images are written to the cache folder {cache}, but that failed: "
        f"{error.strerror or error}. Free space or fix its permissions, or pass another cache."
    )
