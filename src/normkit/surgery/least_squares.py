"""The line through what a norm computes and what it is to compute, for each channel."""

from __future__ import annotations

import torch
from torch import Tensor


class LeastSquares:
    """y ≈ slope · z + shift for each channel, over all batches that are added.

    Means and centred products are joined batch by batch, in float64, so that nothing cancels.

    Args:
        has_slope: whether there is a slope to be fitted; else it is 1.
        has_shift: whether there is a shift; else it is 0.

    >>> z = torch.randn(8, 3, 5)
    >>> line = LeastSquares(has_slope=True, has_shift=True)
    >>> line.add(z, 2 * z + 7)
    >>> [each.round(decimals=3).tolist() for each in line.solution()]
    [[2.0, 2.0, 2.0], [7.0, 7.0, 7.0]]
    """

    def __init__(self, has_slope: bool, has_shift: bool) -> None:
        self.has_slope, self.has_shift = has_slope, has_shift
        self.count = 0
        self.means: Tensor | None = None
        """Of z and y, `(2, C)`."""
        self.products: Tensor | None = None
        """Sums of the centred z², z · y and y², `(3, C)`."""

    def add(self, z: Tensor, y: Tensor) -> None:
        """Takes in a batch: `(N, C, *)` each."""
        z, y = (each.double().movedim(1, 0).flatten(1) for each in (z, y))
        count = z.shape[1]
        means = torch.stack([z.mean(1), y.mean(1)])
        z, y = z - means[0, :, None], y - means[1, :, None]
        products = torch.stack([(z * z).sum(1), (z * y).sum(1), (y * y).sum(1)])
        if self.means is None or self.products is None:
            self.count, self.means, self.products = count, means, products
            return
        total = self.count + count
        step = means - self.means
        between = torch.stack([step[0] * step[0], step[0] * step[1], step[1] * step[1]])
        self.products = self.products + products + between * (self.count * count / total)
        self.means = self.means + step * (count / total)
        self.count = total

    def solution(self) -> tuple[Tensor, Tensor]:
        """The slope and the shift of each channel, `(C)`.

        Where z is constant, its slope is 0.
        """
        (mean_z, mean_y), (zz, zy, _) = self._sums()
        if not self.has_shift:
            # A line through the origin: the products are not centred.
            zz, zy = zz + self.count * mean_z.square(), zy + self.count * mean_z * mean_y
        # A constant's distances from its mean are that mean's rounding, in float64.
        varies = zz > 1e-28 * self.count * mean_z.square() + 1e-300
        slope = torch.where(varies, zy / zz.where(varies, 1.0), 0.0)
        if not self.has_slope:
            slope = torch.ones_like(slope)
        return slope, mean_y - slope * mean_z if self.has_shift else torch.zeros_like(slope)

    def missed(self) -> Tensor:
        """The sum of the squares that the line misses, for each channel."""
        slope, shift = self.solution()
        (mean_z, mean_y), (zz, zy, yy) = self._sums()
        around = yy - 2 * slope * zy + slope.square() * zz
        off = mean_y - slope * mean_z - shift
        missed: Tensor = around.clamp(min=0) + self.count * off.square()
        return missed

    def _sums(self) -> tuple[Tensor, Tensor]:
        assert self.means is not None
        assert self.products is not None
        return self.means, self.products
