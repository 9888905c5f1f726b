"""The claims: one claim, one file. Adding a file adds a claim."""

from __future__ import annotations

import pkgutil
from difflib import get_close_matches
from functools import cache
from importlib import import_module

from normkit.study.claim import Claim


@cache
def claims() -> dict[str, Claim]:
    """Every claim by its name, in the order of the report."""
    found = [
        import_module(f"{__name__}.{module.name}").CLAIM
        for module in pkgutil.iter_modules(__path__)
    ]
    return {claim.id: claim for claim in sorted(found, key=lambda claim: claim.order)}


def choose(names: tuple[str, ...] | None) -> tuple[str, ...]:
    """Check the names of claims; all of them where none is given.

    Raises:
        ValueError: a name is unknown; the message lists the close matches.
    """
    known = claims()
    for name in names or ():
        if name not in known:
            close = get_close_matches(name, known, n=3)
            hint = f"did you mean {' or '.join(close)}? " if close else ""
            raise ValueError(f"unknown claim {name!r}; {hint}the claims are {', '.join(known)}")
    return tuple(name for name in known if not names or name in names)
