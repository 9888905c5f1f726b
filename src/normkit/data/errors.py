"""The one error that this package raises for data it cannot use."""

from __future__ import annotations


class DataError(ValueError):
    """The data, or the way it was asked for, breaks a rule.

    The message states the rule, what came, and the likely fix.

    >>> from normkit.data import prepare
    >>> prepare("digits", image_size=2)
    Traceback (most recent call last):
    ...
    normkit.data.errors.DataError: Images must be at least 4 pixels a side, got 2×2 ...
    """
