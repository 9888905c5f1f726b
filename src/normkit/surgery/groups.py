"""How many groups a layer is given, where nobody says."""

from __future__ import annotations

FEWEST_VALUES = 16
"""That a group is to have, over its channels and all positions of a sample."""


def legal_counts(channels: int, positions: int, most: int = 32) -> tuple[int, ...]:
    """The numbers of groups that leave a group something to measure, the smallest first.

    A group gets at least 2 channels, and at least 16 values over its channels and positions: on the
    1×1 maps after a global pooling, groups of few channels would erase what is in them. One group
    is always legal.

    Args:
        channels: C.
        positions: of a sample, on the smallest map.
        most: the largest number of groups.

    >>> legal_counts(12, positions=49), legal_counts(64, positions=1)
    ((1, 2, 3, 4, 6), (1, 2, 4))
    """
    return tuple(
        groups
        for groups in range(1, max(min(most, channels // 2), 1) + 1)
        if groups == 1
        or (channels % groups == 0 and channels // groups * positions >= FEWEST_VALUES)
    )


def legal_groups(channels: int, positions: int, most: int = 32) -> int:
    """The largest of `legal_counts`.

    >>> [legal_groups(channels, positions=49) for channels in (3, 48, 64, 96)]
    [1, 24, 32, 32]
    >>> legal_groups(64, positions=1), legal_groups(64, positions=1, most=2)
    (4, 2)
    """
    return legal_counts(channels, positions, most)[-1]
