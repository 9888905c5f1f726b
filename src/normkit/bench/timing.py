"""Seconds and their spread, with the number of threads that was asked for."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from normkit.probes.cost import seconds_in_turns as in_turns

__all__ = ["Spread", "in_turns", "threads"]


@dataclass(frozen=True)
class Spread:
    """The median of some seconds and the quartiles around it."""

    median: float
    q25: float
    q75: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Spread:
        """The spread of at least one value.

        >>> Spread.of([4.0, 1.0, 2.0, 3.0, 5.0])
        Spread(median=3.0, q25=2.0, q75=4.0)
        >>> Spread.of([2.0])
        Spread(median=2.0, q25=2.0, q75=2.0)
        """
        # A single value has no quartiles but itself.
        values = list(seconds) * (2 if len(seconds) == 1 else 1)
        q25, median, q75 = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, q25, q75)

    def times(self, factor: float) -> Spread:
        """All three multiplied."""
        return Spread(self.median * factor, self.q25 * factor, self.q75 * factor)


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Give PyTorch a number of threads, and the old one back; None leaves it as it is."""
    before = torch.get_num_threads()
    if count is None:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
