"""Names that a user may get wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def unknown_name(kind: str, name: object, known: Iterable[str]) -> str:
    """The message for a name that is not known: what came, the close matches, all names.

    Args:
        kind: what the name stands for, such as "activation".
        name: the name that came.
        known: the names there are.

    >>> unknown_name("activation", "rleu", ["relu", "tanh"])
    "unknown activation 'rleu'. Did you mean 'relu'? The names are: relu, tanh."
    """
    names = list(known)
    close = difflib.get_close_matches(str(name).lower(), names)
    hint = f" Did you mean {' or '.join(repr(match) for match in close)}?" if close else ""
    return f"unknown {kind} {name!r}.{hint} The names are: {', '.join(names)}."
