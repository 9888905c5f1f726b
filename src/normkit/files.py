"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

PARTIAL = f"*.{'[0-9a-f]' * 8}.partial"
"""Names of files that are being written; one that a killed process left over is worth nothing."""


def write_whole(path: Path, content: str) -> None:
    """Write beside the target and rename, so that a reader never meets half a file.

    Args:
        path: replaced if it is there; its folder must be.
        content: written as UTF-8, its line ends as they are.

    Raises:
        OSError: the file cannot be written; what was there is kept.
    """
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with partial.open("x", encoding="utf-8", newline="") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
