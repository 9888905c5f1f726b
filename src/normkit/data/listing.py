"""The image files under a folder: their classes, and the split that the folders make."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from normkit.data.errors import DataError
from normkit.data.image import EXTENSIONS
from normkit.data.split import TEST, TRAIN, VALIDATION

_PART_NAMES = {"train": TRAIN, "val": VALIDATION, "validation": VALIDATION, "test": TEST}
_NOT_DATA = frozenset({"thumbs.db", "desktop.ini", "__macosx"})
_LAYOUT = (
    "Images must lie in one folder per class, as PATH/cat/1.png, or under train/ and test/, as "
    "PATH/train/cat/1.png"
)


class ImageFile(NamedTuple):
    """One image file: where it is, its class, and the position of its part in `split.PARTS`."""

    path: str
    label: str
    part: int


@dataclass(frozen=True)
class Listing:
    """What lies under a folder of images.

    Args:
        classes: Names of the class folders, sorted.
        images: Every image file, sorted by path.
        has_parts: Whether the folders split the images into parts.
        refused: `(path, reason)` of every file that cannot be an image of a class.
        fingerprint: A hash of all names, sizes and modification times.
    """

    classes: tuple[str, ...]
    images: tuple[ImageFile, ...]
    has_parts: bool
    refused: tuple[tuple[str, str], ...]
    fingerprint: str


def list_images(root: Path) -> Listing:
    """List the images under `root`, without opening any; hidden files and folders are ignored.

    Args:
        root: A folder per class, optionally under train/, test/ and validation/.

    Raises:
        DataError: If the folders have neither layout, or hold no image.
    """
    if not root.is_dir():
        came = "is a file" if root.exists() else "does not exist"
        raise DataError(
            f"folder:PATH must be a folder with one folder per class, but {root} {came}."
        )
    parts = _part_folders(root)
    images: list[ImageFile] = []
    refused: list[tuple[str, str]] = []
    classes: set[str] = set()
    digest = hashlib.sha256()
    for folder in dict.fromkeys([root, *(folder for folder, _ in parts)]):
        for stray in _children(folder):
            if not stray.is_dir() and _is_image_name(stray.name):
                digest.update(_identity(root, stray))
                refused.append((stray.path, "it lies outside the class folders"))
    for folder, part in parts:
        for child in _children(folder):
            if not child.is_dir():
                continue
            classes.add(child.name)
            for entry in _files_below(Path(child.path)):
                digest.update(_identity(root, entry))
                if _is_image_name(entry.name):
                    images.append(ImageFile(entry.path, child.name, part))
                else:
                    refused.append((entry.path, _why_not_an_image(entry)))
    if not images:
        raise DataError(f"{_LAYOUT}; {root} has none there. {_known_extensions()}")
    return Listing(
        classes=tuple(sorted(classes)),
        images=tuple(sorted(images)),
        has_parts=len(parts) > 1,
        refused=tuple(refused),
        fingerprint=digest.hexdigest(),
    )


def _part_folders(root: Path) -> list[tuple[Path, int]]:
    """The folders that hold the class folders, and the part that each stands for."""
    folders = [Path(child.path) for child in _children(root) if child.is_dir()]
    named = [folder for folder in folders if folder.name.lower() in _PART_NAMES]
    others = [folder.name for folder in folders if folder not in named]
    split = any(child.is_dir() for folder in named for child in _children(folder))
    if not named or (others and not split):
        return [(root, TRAIN)]
    parts = [(folder, _PART_NAMES[folder.name.lower()]) for folder in named]
    names = ", ".join(folder.name for folder in named)
    if others:
        raise DataError(
            f"{_LAYOUT}; {root} has both {names} and {', '.join(others[:5])} side by side. "
            "Move every class under the parts, or the parts elsewhere."
        )
    if len({part for _, part in parts}) < len(parts):
        raise DataError(f"Each part must have one folder, but {root} has {names}. Merge them.")
    if TRAIN not in {part for _, part in parts}:
        raise DataError(f"{_LAYOUT}; {root} has {names} but no train. Add train, or drop {names}.")
    for folder in named:
        if not any(child.is_dir() for child in _children(folder)):
            raise DataError(f"{_LAYOUT}; {folder} has no class folders. Add them, or remove it.")
    return parts


def _children(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(
                (e for e in entries if e.name[0] != "." and e.name.lower() not in _NOT_DATA),
                key=lambda entry: entry.name,
            )
    except OSError as error:
        raise DataError(
            f"Every folder of images must be readable, but {folder} is not: {error.strerror}."
        ) from error


def _files_below(folder: Path) -> Iterator[os.DirEntry[str]]:
    for entry in _children(folder):
        # A linked folder is not entered, as it may lead back here; it is refused as a file.
        if entry.is_dir(follow_symlinks=False):
            yield from _files_below(Path(entry.path))
        else:
            yield entry


def _identity(root: Path, entry: os.DirEntry[str]) -> bytes:
    try:
        stat = entry.stat()
    except OSError:  # a link to nowhere; opening it will say so
        stat = entry.stat(follow_symlinks=False)
    path = os.fsencode(entry.path.removeprefix(str(root)))
    return path + f"\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode()


def _is_image_name(name: str) -> bool:
    return f".{name.rpartition('.')[2].lower()}" in EXTENSIONS


def _why_not_an_image(entry: os.DirEntry[str]) -> str:
    if entry.is_dir():
        return "it is a link to a folder"
    return f"not an image: its extension is {Path(entry.name).suffix or 'missing'}"


def _known_extensions() -> str:
    return f"Images are files ending in {', '.join(sorted(EXTENSIONS))}."
