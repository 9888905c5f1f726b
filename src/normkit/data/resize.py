"""Resizing of decoded images."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from normkit.data.errors import DataError
from normkit.data.source import Images

SMALLEST_SIDE = 4


def resize(images: Images, size: tuple[int, int] | None) -> Images:
    """Resize images bilinearly, antialiased when they shrink; the aspect ratio is not kept.

    Args:
        images: uint8 or float32, shape `(N, C, H, W)`.
        size: The new height and width; None, or the size they have, changes nothing.

    Returns:
        Images of the same dtype, shape `(N, C, *size)`.

    >>> resize(np.full((1, 3, 8, 8), 200, np.uint8), (4, 6)).shape
    (1, 3, 4, 6)
    """
    if size is None or images.shape[2:] == size:
        return images
    resized = F.interpolate(
        torch.from_numpy(np.ascontiguousarray(images)).float(),
        size=size,
        mode="bilinear",
        align_corners=False,
        antialias=True,
    ).numpy()
    if images.dtype == np.uint8:
        return resized.round().clip(0, 255).astype(np.uint8)
    return resized


def check_size(size: tuple[int, ...]) -> None:
    """Check that images of this height and width leave something to convolve.

    Raises:
        DataError: If a side is shorter than `SMALLEST_SIDE`.
    """
    if min(size) < SMALLEST_SIDE:
        got = "×".join(map(str, size))
        raise DataError(
            f"Images must be at least {SMALLEST_SIDE} pixels a side, got {got} (height×width). "
            "Choose a larger size: image_size=N, --image-size N."
        )
