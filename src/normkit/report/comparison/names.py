"""What studies are called where several stand side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path


class ComparisonError(ValueError):
    """There are too few studies to compare, or the same one came twice."""


def distinct_names(folders: Sequence[Path]) -> list[str]:
    """The folders' names, each with as much of its path before it as tells it from the others.

    Args:
        folders: two or more different folders.

    Returns:
        One name for each, all different.

    Raises:
        ComparisonError: if there are fewer than two, or one came twice.

    >>> distinct_names([Path("/cpu/digits"), Path("/gpu/digits"), Path("/cpu/letters")])
    ['cpu/digits', 'gpu/digits', 'letters']
    """
    if len(folders) < 2:
        raise ComparisonError(too_few(len(folders)))
    places = [Path(folder).resolve() for folder in folders]
    for place, count in Counter(places).items():
        if count > 1:
            raise ComparisonError(
                f"a comparison needs different studies, got {place} {count} times; "
                "name each folder once"
            )
    parts = [1] * len(places)
    while True:
        names = [_last(place, count) for place, count in zip(places, parts, strict=True)]
        again = {name for name, count in Counter(names).items() if count > 1}
        if not again:
            return names
        parts = [count + (name in again) for count, name in zip(parts, names, strict=True)]


def too_few(count: int) -> str:
    """The message for fewer than two studies."""
    return f"a comparison needs two studies or more, got {count}; name others"


def _last(place: Path, count: int) -> str:
    # A root folder has no name but its anchor; a path of all its parts is unique.
    return "/".join(place.parts[-count:]) if count < len(place.parts) else str(place)
