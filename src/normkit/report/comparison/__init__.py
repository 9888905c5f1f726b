"""Studies side by side: what differs between them, and whether their verdicts agree.

`compare` makes one document of several; `html`, `text` and `csv_files` show it, and `write` puts
all of it into a folder.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from normkit.report.comparison.document import compare
    from normkit.report.comparison.export import csv_files, write
    from normkit.report.comparison.names import ComparisonError, distinct_names
    from normkit.report.comparison.page import html
    from normkit.report.comparison.terminal import text

__all__ = ["ComparisonError", "compare", "csv_files", "distinct_names", "html", "text", "write"]

# Loaded on first use: the report's words take theirs from here, and all else takes words.
_HOMES = {
    "ComparisonError": "names",
    "compare": "document",
    "csv_files": "export",
    "distinct_names": "names",
    "html": "page",
    "text": "terminal",
    "write": "export",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(
        f"module {__name__!r} has no attribute {name!r}; it has {', '.join(_HOMES)}"
    )


def __dir__() -> list[str]:
    return list(__all__)
