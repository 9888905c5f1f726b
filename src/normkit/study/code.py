"""normkit's own code, as a digest: by it trials and studies of different code are told apart."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import normkit

_NO_PART = ("bench", "cli", "report")


def digest_of(files: Iterable[Path], package: Path) -> str:
    """A digest of files of a package, their places in it and what they hold."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.relative_to(package).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


def code_digest(package: Path | None = None) -> str:
    """A digest of all code that numbers or verdicts come from, not what only shows or times.

    Args:
        package: the folder of the code; normkit's own unless given.
    """
    package = package or Path(normkit.__file__).parent
    files = sorted(package.rglob("*.py"))
    making = [f for f in files if f.relative_to(package).parts[0] not in _NO_PART]
    return digest_of(making, package)[:20]
