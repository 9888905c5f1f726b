"""Stratified choices, by a seed: a subset of the data, and its training and test parts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from normkit.data.errors import DataError
from normkit.data.source import Labels

PARTS = ("train", "validation", "test")
TRAIN, VALIDATION, TEST = range(3)

# What a part takes of the pool, or of the training part, when the data does not come with it.
SHARE_OF_POOL = {VALIDATION: 0.16, TEST: 0.20}
SHARE_OF_TRAIN = 0.20


def choose(labels: Labels, parts: Labels | None, limit: int, seed: int) -> Labels:
    """Choose `limit` images so that classes and given parts keep their proportions.

    Args:
        labels: One label per image, shape `(N,)`.
        parts: The given part of each image, shape `(N,)`, or None for one pool.
        limit: How many to choose; every class keeps what each part needs of it.
        seed: Equal seeds choose equal images.

    Returns:
        Positions of the chosen images, ascending.

    Raises:
        DataError: If `limit` is smaller than what every class needs in each part.

    >>> choose(np.repeat([0, 1], [30, 60]), None, limit=9, seed=0).shape
    (9,)
    """
    if limit >= len(labels):
        return np.arange(len(labels))
    pool = np.full_like(labels, TRAIN) if parts is None else parts
    needs = _needs(parts)
    strata = [np.flatnonzero((labels == c) & (pool == p)) for p in needs for c in np.unique(labels)]
    least = np.repeat(list(needs.values()), len(np.unique(labels)))
    if limit < least.sum():
        raise DataError(
            f"Every class needs images in each part: limit must be at least {least.sum()} "
            f"for these {len(np.unique(labels))} classes, got {limit}. Raise the limit."
        )
    counts = _allocate(limit, np.array([len(stratum) for stratum in strata]), least)
    rng = np.random.default_rng([seed, 1])
    picked = [rng.permutation(s)[:n] for s, n in zip(strata, counts, strict=True)]
    return np.sort(np.concatenate(picked))


def divide(labels: Labels, parts: Labels | None, seed: int) -> tuple[Labels, Labels, Labels]:
    """Divide images into training, validation and test, each class in the same proportions.

    One pool becomes 64 % training, 16 % validation, 20 % test. Where parts are given they are
    kept, and one that is missing takes 20 % of the training part.

    Args:
        labels: One label per image, shape `(N,)`.
        parts: The given part of each image, shape `(N,)`, or None for one pool.
        seed: Equal seeds divide equally.

    Returns:
        Positions of the training, validation and test images, each ascending.

    >>> [len(part) for part in divide(np.repeat([0, 1], 50), None, seed=0)]
    [64, 16, 20]
    """
    result = np.full_like(labels, TRAIN) if parts is None else parts.copy()
    rng = np.random.default_rng([seed, 2])
    shares = _shares(parts)
    for label in np.unique(labels):
        pool = rng.permutation(np.flatnonzero((labels == label) & (result == TRAIN)))
        start = 0
        for part, share in shares.items():
            stop = start + max(1, int(share * len(pool) + 0.5))
            result[pool[start:stop]] = part
            start = stop
    train, validation, test = (np.flatnonzero(result == part) for part in range(len(PARTS)))
    return train, validation, test


def check_sizes(labels: Labels, parts: Labels | None, classes: tuple[str, ...]) -> None:
    """Check that every class has enough images for each part.

    Raises:
        DataError: Naming the classes that are too small.
    """
    for part, need in _needs(parts).items():
        pool = labels if parts is None else labels[parts == part]
        counts = np.bincount(pool, minlength=len(classes))
        small = [f"{classes[i]!r} has {counts[i]}" for i in np.flatnonzero(counts < need)]
        if small:
            where = "" if parts is None else f" in the given {PARTS[part]} part"
            more = f" and {len(small) - 5} more" if len(small) > 5 else ""
            raise DataError(
                f"Every class needs at least {need} image{'s' if need > 1 else ''}{where}, so that "
                f"training, validation and test each have one: class {', '.join(small[:5])}{more}. "
                "Add images of it, or remove the class."
            )


def _shares(parts: Labels | None) -> dict[int, float]:
    """The parts that must be taken from the training images, and the share each takes."""
    if parts is None:
        return SHARE_OF_POOL
    return {part: SHARE_OF_TRAIN for part in (VALIDATION, TEST) if part not in parts}


def _needs(parts: Labels | None) -> dict[int, int]:
    """The fewest images of a class in each part that the data comes with."""
    needs = {TRAIN: 1 + len(_shares(parts))}
    if parts is not None:
        needs |= {part: 1 for part in (VALIDATION, TEST) if part in parts}
    return needs


def _allocate(
    total: int, sizes: npt.NDArray[np.int64], least: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Share `total` in proportion to `sizes`, at least `least` and at most `sizes` each."""
    ideal = total * sizes / sizes.sum()
    counts: npt.NDArray[np.int64] = np.clip(np.floor(ideal).astype(np.int64), least, sizes)
    while counts.sum() < total:
        counts[np.argmax(np.where(counts < sizes, ideal - counts, -np.inf))] += 1
    while counts.sum() > total:
        counts[np.argmax(np.where(counts > least, counts - ideal, -np.inf))] -= 1
    return counts
