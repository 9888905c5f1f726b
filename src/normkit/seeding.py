"""The global random number generators: torch's, NumPy's and Python's, set and put back together."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_of(*numbers: int) -> int:
    """A seed of its own for several numbers below 2^32, such as a trial's seed and a step.

    It is below 2^32 too, since torch's generator on the CPU leaves out what is above.

    >>> seed_of(1, 2) == seed_of(1, 2), seed_of(1, 2) == seed_of(2, 1)
    (True, False)
    """
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def seed(value: int, device: str = "cpu") -> None:
    """Set every global generator: torch's on the CPU and on the device in use, NumPy's, Python's.

    Args:
        value: at least 0.
        device: "cpu" or "cuda"; generators of devices that are not in use stay as they are.
    """
    # torch.manual_seed would set the generators of all GPUs.
    torch.default_generator.manual_seed(value)
    if device == "cuda":
        torch.cuda.manual_seed(value)
    # NumPy's and Python's generators are of one kind: the same key would give the same numbers.
    np.random.seed(np.random.SeedSequence(value).generate_state(4))
    random.seed(value)


@contextmanager
def restored(device: str = "cpu") -> Iterator[None]:
    """Leave the generators that `seed` sets as they were before the block, exception or not."""
    numpys, pythons = np.random.get_state(), random.getstate()
    devices = [torch.cuda.current_device()] if device == "cuda" else []
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        np.random.set_state(numpys)
        random.setstate(pythons)


@contextmanager
def seeded(value: int, device: str = "cpu") -> Iterator[None]:
    """Draw the same random numbers in the block each time, and leave the generators as they were.

    >>> with seeded(3):
    ...     one = float(torch.rand(())), np.random.rand(), random.random()
    >>> with seeded(3):
    ...     other = float(torch.rand(())), np.random.rand(), random.random()
    >>> one == other
    True
    """
    with restored(device):
        seed(value, device)
        yield
