"""scikit-learn's handwritten digits: 1,797 grey images of 8×8 pixels, nothing to download."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from importlib.metadata import version

import numpy as np

from normkit.data.resize import resize
from normkit.data.source import Decoded, Images, Index, Labels, Options


class DigitsSource:
    """The images of `sklearn.datasets.load_digits`, scaled from 0…16 to 0…1.

    Reference: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine
    Learning Repository, 1998.
    """

    def identity(self) -> object:
        """Return the version of scikit-learn, which ships the images."""
        return {"scikit-learn": version("scikit-learn")}

    def index(self, options: Options) -> Index:
        """Return the labels: one pool, classes "0" to "9"."""
        _, labels = self._arrays
        return Index(tuple(str(digit) for digit in range(10)), labels)

    def decode(self, chosen: Labels, options: Options, write: Callable[[Images], None]) -> Decoded:
        """Write the chosen images as float32, shape `(N, 1, H, W)`."""
        images, _ = self._arrays
        write(resize(images[chosen], options.image_size))
        options.report(len(chosen), len(chosen))
        return Decoded(kept=chosen)

    @cached_property
    def _arrays(self) -> tuple[Images, Labels]:
        from sklearn.datasets import load_digits  # slow to import, and needed once

        bunch = load_digits()
        images = (bunch.images[:, None] / 16).astype(np.float32)
        return images, bunch.target.astype(np.int64)
