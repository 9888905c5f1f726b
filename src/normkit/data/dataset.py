"""A prepared data set: images, labels and parts in a folder that every trial opens."""

from __future__ import annotations

import hashlib
import json
import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from normkit.data.errors import DataError
from normkit.data.source import Labels

# Raised whenever decoding, splitting or this layout changes, so that no older cache is opened.
FORMAT = 1
MANIFEST, INDEX, IMAGES = "dataset.json", "index.npz", "images.bin"
_DTYPES = {"uint8": torch.uint8, "float32": torch.float32}


@dataclass(frozen=True, eq=False)
class Dataset:
    """A prepared image data set: decoded once, cached on disk, opened by every trial.

    Made by `prepare`. Channels are standardised by the training part alone:
    `(x − mean) / std`.

    Args:
        folder: Where it is cached.
        spec: What was asked for: "digits", "folder:PATH", "npz:PATH" or a function of the
            user's.
        classes: Class names; a label is a position in it.
        channels: 1 for grey images, 3 for colour.
        image_size: Height and width.
        fingerprint: SHA-256 over images, labels and parts: the content, not the path.
        train: Positions of the training images, shape `(N,)`, ascending.
        validation: Positions of the validation images.
        test: Positions of the test images.
        mean: Mean of each channel over the training part.
        std: Standard deviation of each channel over the training part.
        skipped: `(file, reason)` of what `skip_bad` left out.
        notes: What a reader of the results should know of how the images were read.
        augmented: Whether what `spec` names has an augmentation of training images.

    >>> import tempfile
    >>> from normkit.data import prepare
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     digits = prepare("digits", cache=Path(folder))
    ...     images, labels = digits.tensors()
    ...     batch = digits.standardise(images[digits.train[:64]])
    >>> batch.shape, len(digits.classes), digits.image_size
    (torch.Size([64, 1, 8, 8]), 10, (8, 8))
    """

    folder: Path
    spec: str
    classes: tuple[str, ...]
    channels: int
    image_size: tuple[int, int]
    fingerprint: str
    train: Labels
    validation: Labels
    test: Labels
    mean: tuple[float, ...]
    std: tuple[float, ...]
    skipped: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    augmented: bool = False

    def __len__(self) -> int:
        """Return the number of images in all parts."""
        return len(self.train) + len(self.validation) + len(self.test)

    def tensors(self) -> tuple[Tensor, Tensor]:
        """Return all images and labels.

        Images are memory-mapped, so processes share one copy; writing into them changes neither
        the cache nor another process's images.

        Returns:
            Images, uint8 or float32, shape `(N, C, H, W)`; labels, int64, shape `(N,)`.
        """
        manifest = _read_manifest(self.folder)
        arrays = _read_index(self.folder)
        shape = tuple(manifest["shape"])
        images = torch.from_file(
            str(self.folder / IMAGES),
            shared=False,
            size=math.prod(shape),
            dtype=_DTYPES[manifest["dtype"]],
        )
        return images.view(shape), torch.from_numpy(arrays["labels"])

    def standardise(self, images: Tensor) -> Tensor:
        """Return `(images − mean) / std` per channel; a channel with std 0 is only centred.

        Args:
            images: Shape `(N, C, H, W)`, as `tensors` returns them, on any device.

        Returns:
            float32, of the same shape.

        Raises:
            DataError: If the shape is not `(N, C, H, W)` with this data set's channels.
        """
        if images.dim() != 4 or images.shape[1] != self.channels:
            raise DataError(
                f"standardise takes images of shape (N, {self.channels}, H, W), "
                f"got {tuple(images.shape)}. Index the images that tensors() returns with a "
                "list or an array of positions."
            )
        shape = (self.channels, 1, 1)
        mean = torch.tensor(self.mean, dtype=torch.float32, device=images.device).view(shape)
        scale = torch.tensor(
            [s if s > 0 else 1.0 for s in self.std], dtype=torch.float32, device=images.device
        ).view(shape)
        return images.to(torch.float32).sub(mean).div_(scale)

    def verify(self) -> None:
        """Read every image byte and check it against the fingerprint; `open` checks the rest.

        Raises:
            DataError: If the images are not those that were prepared.
        """
        digest = hashlib.sha256()
        with (self.folder / IMAGES).open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
        if digest.hexdigest() != _read_manifest(self.folder)["images_sha256"]:
            raise _damaged(self.folder, f"{IMAGES} is not what was written")

    @classmethod
    def open(cls, folder: Path | str) -> Dataset:
        """Open a prepared data set; cheap, for every worker process.

        Labels and parts are checked against the fingerprint, images by their number of bytes.

        Args:
            folder: A `Dataset.folder`.

        Raises:
            DataError: If the folder is missing, damaged, or of another version's format.
        """
        folder = Path(folder)
        manifest = _read_manifest(folder)
        arrays = _read_index(folder)
        count, channels, height, width = manifest["shape"]
        parts = [arrays[name] for name in ("train", "validation", "test")]
        if manifest["fingerprint"] != fingerprint(
            manifest["shape"], manifest["dtype"], manifest["images_sha256"], arrays
        ):
            raise _damaged(folder, "labels and parts do not match the fingerprint")
        try:
            size = (folder / IMAGES).stat().st_size
        except OSError as error:
            raise _damaged(folder, f"{IMAGES} cannot be read: {error.strerror}") from error
        expected = count * channels * height * width * _DTYPES[manifest["dtype"]].itemsize
        if size != expected:
            raise _damaged(folder, f"{IMAGES} has {size:,} bytes instead of {expected:,}")
        return cls(
            folder=folder,
            spec=manifest["spec"],
            classes=tuple(manifest["classes"]),
            channels=channels,
            image_size=(height, width),
            fingerprint=manifest["fingerprint"],
            train=parts[0],
            validation=parts[1],
            test=parts[2],
            mean=tuple(manifest["mean"]),
            std=tuple(manifest["std"]),
            skipped=tuple((name, reason) for name, reason in manifest["skipped"]),
            notes=tuple(manifest["notes"]),
            augmented=manifest.get("augmented", False),
        )


def fingerprint(
    shape: list[int], dtype: str, images_sha256: str, arrays: dict[str, npt.NDArray[np.int64]]
) -> str:
    """Return the SHA-256 of the content: images (by their own hash), labels and parts."""
    digest = hashlib.sha256(json.dumps([shape, dtype, images_sha256]).encode())
    for name in ("labels", "train", "validation", "test"):
        digest.update(f"{name} {len(arrays[name])}:".encode())
        digest.update(arrays[name].astype("<i8").tobytes())
    return digest.hexdigest()


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except OSError as error:
        raise _damaged(folder, f"{MANIFEST} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise _damaged(folder, f"{MANIFEST} is not JSON") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise _damaged(folder, f"{MANIFEST} is not of format {FORMAT}")
    missing = {"spec", "classes", "shape", "dtype", "images_sha256", "fingerprint"}
    missing = (missing | {"mean", "std", "skipped", "notes"}) - manifest.keys()
    if missing:
        raise _damaged(folder, f"{MANIFEST} lacks {', '.join(sorted(missing))}")
    return manifest


def _read_index(folder: Path) -> dict[str, npt.NDArray[np.int64]]:
    try:
        with (folder / INDEX).open("rb") as file:
            arrays = np.load(file, allow_pickle=False)
            return {name: arrays[name] for name in ("labels", "train", "validation", "test")}
    except (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile) as error:
        raise _damaged(folder, f"{INDEX} cannot be read") from error


def _damaged(folder: Path, reason: str) -> DataError:
    return DataError(
        f"{folder} must hold a data set made by normkit.data.prepare, but {reason}. "
        "Remove the folder and prepare the data again."
    )
