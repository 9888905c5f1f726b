"""normkit's own code, as a digest: by it two studies of different code are told apart."""

from __future__ import annotations

import hashlib
from pathlib import Path

import normkit

_SHOWING = ("cli", "report")


def code_digest(package: Path | None = None) -> str:
    """A digest of all code that numbers or verdicts come from; what only shows them is left out.

    Args:
        package: the folder of the code; normkit's own unless given.
    """
    package = package or Path(normkit.__file__).parent
    digest = hashlib.sha256()
    for file in sorted(package.rglob("*.py")):
        name = file.relative_to(package)
        if name.parts[0] not in _SHOWING:
            digest.update(name.as_posix().encode() + file.read_bytes())
    return digest.hexdigest()[:20]
