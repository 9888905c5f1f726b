"""Mean and standard deviation of each channel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from normkit.data.source import Images, Labels

_VALUES_AT_ONCE = 1 << 22


def channel_statistics(
    images: Images, positions: Labels
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return each channel's mean and standard deviation over the images at `positions`.

    `mean = Σx / n`, `std = √(Σ(x − mean)² / n)`, in float64 and in two passes, a few images at
    a time.

    Args:
        images: Shape `(N, C, H, W)`.
        positions: Which images count, shape `(M,)`.

    Returns:
        Mean and std, one number per channel.

    >>> channel_statistics(np.full((2, 1, 4, 4), 7, np.uint8), np.array([0, 1]))
    ((7.0,), (0.0,))
    """
    step = max(1, _VALUES_AT_ONCE // images[0].size)
    count = len(positions) * images.shape[2] * images.shape[3]

    def total(shift: npt.NDArray[np.float64], power: int) -> npt.NDArray[np.float64]:
        result = np.zeros(images.shape[1])
        for start in range(0, len(positions), step):
            batch = images[positions[start : start + step]].astype(np.float64)
            result += ((batch - shift[:, None, None]) ** power).sum(axis=(0, 2, 3))
        return result

    # Shifted by one of its own values, a constant channel has exactly that mean and std 0.
    shift = images[positions[0], :, 0, 0].astype(np.float64)
    mean = shift + total(shift, 1) / count
    std = np.sqrt(total(mean, 2) / count)
    return tuple(mean.tolist()), tuple(std.tolist())
