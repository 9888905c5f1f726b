"""The numbers behind a figure, as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from normkit.report.results import figures_of, read
from normkit.report.schema import Figure


def csv_files(results: Mapping[str, Any]) -> dict[str, str]:
    """The numbers behind each figure.

    Args:
        results: a results document.

    Returns:
        File name, such as `convergence-curves.csv` → content. A null is an empty field.

    Raises:
        ResultsError: if `results` is not a results document.
    """
    document = read(results)
    return {csv_name(owner, figure): csv_content(figure) for owner, figure in figures_of(document)}


def csv_name(owner: str, figure: Figure) -> str:
    """The file that holds a figure's numbers; its owner is a claim's id, or "lesson"."""
    return f"{owner}-{figure['id']}.csv"


def csv_content(figure: Figure) -> str:
    """A figure's rows as CSV, its columns in order of appearance."""
    fields = list(dict.fromkeys(field for row in figure["rows"] for field in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fields, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(figure["rows"])
    return buffer.getvalue()
