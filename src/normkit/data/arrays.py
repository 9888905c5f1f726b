"""Images and labels in arrays, wherever they come from: their checks, their labels, decoding."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from normkit.data.errors import DataError
from normkit.data.resize import check_size, resize
from normkit.data.source import Decoded, Images, Index, Labels, Options
from normkit.data.split import TEST, TRAIN, VALIDATION

_POOL = {"": TRAIN}
_PARTS = {"_train": TRAIN, "_val": VALIDATION, "_test": TEST}
_CHANNELS = (1, 3)
_BYTES_AT_ONCE = 1 << 23


class ArraySource(ABC):
    """Arrays of images and labels: x and y, or x_train, y_train, x_test and y_test.

    `x` is uint8 or float, shape `(N, H, W)`, `(N, H, W, C)` or `(N, C, H, W)`, with 1 or 3
    channels; `y` has integers 0…K−1, shape `(N,)`.
    """

    def index(self, options: Options) -> Index:
        """Return the labels, after checking every array."""
        labels = np.concatenate([y for _, y, _ in self._arrays])
        parts = np.concatenate([np.full(len(y), part) for _, y, part in self._arrays])
        return Index(
            classes=tuple(str(label) for label in range(_count_classes(labels))),
            labels=labels,
            parts=parts if len(self._arrays) > 1 else None,
        )

    def decode(self, chosen: Labels, options: Options, write: Callable[[Images], None]) -> Decoded:
        """Write the chosen images as uint8 or float32, shape `(N, C, H, W)`."""
        done = first = 0
        for images, _, _ in self._arrays:
            own = chosen[(chosen >= first) & (chosen < first + len(images))] - first
            step = max(1, _BYTES_AT_ONCE // images[0].nbytes)
            for start in range(0, len(own), step):
                batch = images[own[start : start + step]]
                write(resize(batch, options.image_size))
                done += len(batch)
                options.report(done, len(chosen))
            first += len(images)
        return Decoded(kept=chosen)

    @cached_property
    def _arrays(self) -> list[tuple[Images, Labels, int]]:
        """Images `(N, C, H, W)`, labels and part of each pair of arrays."""
        raw = self.load()
        arrays = []
        for suffix, part in (_POOL if "x" in raw else _PARTS).items():
            if f"x{suffix}" in raw:
                images = _images(raw[f"x{suffix}"], f"x{suffix}")
                arrays.append((images, _labels(raw[f"y{suffix}"], f"y{suffix}", len(images)), part))
        kinds = {f"{images.shape[1:]} {images.dtype}" for images, _, _ in arrays}
        if len(kinds) > 1:
            raise DataError(
                "The parts must agree in image shape (C, H, W) and dtype, got "
                f"{' and '.join(sorted(kinds))}. Save them alike."
            )
        check_size(arrays[0][0].shape[2:])
        return arrays

    @abstractmethod
    def load(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays as they come, by name."""


def _images(x: npt.NDArray[Any], name: str) -> Images:
    """Check images, and return them as uint8 or float32, shape `(N, C, H, W)`."""
    if x.dtype != np.uint8 and x.dtype.kind != "f":
        raise DataError(
            f"{name} must be uint8 or float, got {x.dtype}. Convert it: {name}.astype('uint8')."
        )
    if x.ndim == 3:
        x = x[:, None]
    elif x.ndim == 4 and x.shape[3] in _CHANNELS:
        x = x.transpose(0, 3, 1, 2)
    elif x.ndim != 4 or x.shape[1] not in _CHANNELS:
        raise DataError(
            f"{name} must have shape (N, H, W), or (N, H, W, C) or (N, C, H, W) with 1 or 3 "
            f"channels C, got {x.shape}. Reshape it."
        )
    if not x.size:
        raise DataError(f"{name} must hold images, got shape {x.shape}.")
    if x.dtype == np.uint8:
        return x
    with np.errstate(over="ignore"):  # what overflows becomes inf, and is named below
        images = x.astype(np.float32)
    finite = np.isfinite(images).all(axis=(1, 2, 3))
    if not finite.all():
        bad = np.flatnonzero(~finite)
        raise DataError(
            f"{name} must be finite in float32, but {len(bad)} of {len(x)} images have NaN or "
            f"infinite values, first at position {bad[0]}. Remove or repair them."
        )
    return images


def _labels(y: npt.NDArray[Any], name: str, count: int) -> Labels:
    if y.ndim != 1:
        fix = f"{name}.ravel()" if y.size == count else f"{name}.argmax(axis=1), if one-hot"
        raise DataError(f"{name} must have shape (N,), got {y.shape}. Try {fix}.")
    if y.dtype.kind not in "iu":
        raise DataError(
            f"{name} must hold integers 0…K−1, got {y.dtype}. Convert it: {name}.astype('int64')."
        )
    if len(y) != count:
        raise DataError(f"Every image needs one label, but {name} has {len(y)} for {count} images.")
    if y.min() < 0:
        raise DataError(f"{name} must hold labels 0…K−1, got {y.min()}. Number the classes from 0.")
    return y.astype(np.int64)


def _count_classes(labels: Labels) -> int:
    present = np.unique(labels)
    if present[-1] != len(present) - 1:
        absent = np.flatnonzero(present != np.arange(len(present)))[0]
        raise DataError(
            f"Labels must be 0…K−1, each with images, but of {len(present)} labels the greatest is "
            f"{present[-1]}, and {absent} has no image. Number the classes without gaps: "
            "numpy.unique(y, return_inverse=True)[1]."
        )
    return len(present)
