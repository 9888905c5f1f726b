"""The user's code that takes part in a trial: what is run is what the trial's digest names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from normkit.seeding import seeded
from normkit.study.spec import TrialSpec
from normkit.user_code import UserCodeError, is_spec, load
from normkit.user_imports import File, digest, digest_of, listed, states

LOADING_SEED = 0
"""What the user's files draw from when they are run, once in each process: never from a trial's."""


@contextmanager
def loaded(spec: TrialSpec) -> Iterator[None]:
    """Run the user's files that take part in a trial, and hold the block to them.

    Whatever the block loads besides, a module imported within a function say, is covered too: the
    files must be those of the trial's digest before the block and after it.

    Raises:
        UserCodeError: a file cannot be run, or is no longer what `spec` names.
    """
    specs = _specs(spec.model, spec.augment)
    _check(spec.source, specs)
    for each in specs:
        with seeded(LOADING_SEED):
            load(each)
    try:
        yield
    finally:
        _check(spec.source, specs)


def source_of(model: str, augment: str) -> str:
    """The digest of the user's code that takes part in a trial; empty for none.

    >>> source_of("plain", "")
    ''
    """
    specs = _specs(model, augment)
    return digest(*specs) if specs else ""


def _specs(model: str, augment: str) -> tuple[str, ...]:
    return tuple(spec for spec in (model, augment) if is_spec(spec))


@dataclass
class _Code:
    """The files that take part, as this process found them before it ran any of them.

    A file that changed later may be loaded in part, the modules it imports as they were: so a
    process that once found another digest runs this code no more, not even if it is changed back.
    """

    source: str
    files: list[File]
    states: list[object] | None = None
    changed: bool = False

    def is_unchanged(self) -> bool:
        """Whether the files are those of the digest; they are read again if one was written."""
        now = states(self.files)
        if now != self.states and not self.changed:
            self.changed = digest_of(self.files) != self.source
            self.states = now
        return not self.changed


@cache
def _code(source: str, specs: tuple[str, ...], here: Path) -> _Code:
    # Found once: what the user's code adds to Python's path when it is run changes nothing.
    return _Code(source, listed(*specs))


def _check(source: str, specs: tuple[str, ...]) -> None:
    if source and not _code(source, specs, Path.cwd()).is_unchanged():
        raise UserCodeError(
            f"the code of {' and '.join(specs)} must stay as it is while a study runs; it was "
            "changed: run the same command again"
        )
