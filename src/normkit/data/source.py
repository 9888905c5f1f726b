"""What every source of images offers: an identity, an index of its labels, and decoding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int64]
Images = npt.NDArray[np.uint8] | npt.NDArray[np.float32]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Options:
    """How a source is to be decoded.

    Args:
        image_size: Height and width to resize every image to; None keeps the size they have.
        skip_bad: Leave out images that cannot be decoded, instead of raising.
        progress: Called with the number of images decoded and the total.
    """

    image_size: tuple[int, int] | None = None
    skip_bad: bool = False
    progress: Progress | None = None

    def report(self, done: int, total: int) -> None:
        """Tell the caller how far decoding has come."""
        if self.progress is not None:
            self.progress(done, total)


@dataclass(frozen=True)
class Index:
    """The labels of a source, known before any image is decoded.

    Args:
        classes: Class names; a label is a position in it.
        labels: One label per image, shape `(N,)`.
        parts: Where the data comes split, the position in `split.PARTS` of each image, shape
            `(N,)`; None where it is one pool.
        skipped: `(name, reason)` of what was left out already.
        notes: What a reader of the results should know.
        augmented: Whether the source has an augmentation of training images.
    """

    classes: tuple[str, ...]
    labels: Labels
    parts: Labels | None = None
    skipped: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    augmented: bool = False


@dataclass
class Decoded:
    """What became of the images that were asked for.

    Args:
        kept: The source's positions of the images written, in the order they were written.
        skipped: `(name, reason)` of those that were left out.
        notes: What a reader of the results should know.
    """

    kept: Labels
    skipped: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Source(Protocol):
    """Where images come from."""

    def identity(self) -> object:
        """Return a JSON value that differs whenever the source's content may differ."""

    def index(self, options: Options) -> Index:
        """Return the labels, without decoding an image."""

    def decode(self, chosen: Labels, options: Options, write: Callable[[Images], None]) -> Decoded:
        """Decode the chosen images in order, handing batches `(N, C, H, W)` to `write`."""
