"""A comparison as files: the page, the document itself, and its rows as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from normkit.files import write_whole
from normkit.report.comparison import page
from normkit.report.comparison.schema import Comparison
from normkit.report.words import LANGUAGES, language

PAGES = {"en": "comparison.html", "zh": "comparison.zh.html"}
VERDICTS, CHOICES = "comparison.csv", "comparison-choices.csv"

Flat = dict[str, Any]


def write(comparison: Comparison, folder: Path, lang: str = "both") -> Path:
    """Write a comparison and its data into a folder, each file whole or not at all.

    Writes `comparison.html` (English) or `comparison.zh.html` (Chinese), or with `lang="both"` the
    two with links to each other; `comparison.json`; `comparison.csv`, a row for each verdict in
    each study; and `comparison-choices.csv`, a row for each value of the choices.

    Args:
        comparison: a comparison document.
        folder: made if it is missing; other files in it are left alone.
        lang: `en`, `zh` or `both`.

    Returns:
        The path of the page; with `both`, of the English one.

    Raises:
        ValueError: if the report is not written in `lang`; then nothing is written.
        OSError: if the folder cannot be written to.
    """
    chosen = LANGUAGES if language(lang, also=("both",)) == "both" else (lang,)
    siblings = {name: PAGES[name] for name in chosen} if len(chosen) > 1 else {}
    pages = {PAGES[name]: page.render(comparison, name, siblings) for name in chosen}
    document = json.dumps(comparison, ensure_ascii=False, indent=1, allow_nan=False)
    files = {"comparison.json": f"{document}\n", **csv_files(comparison), **pages}
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_whole(folder / name, content)
    return folder / PAGES[chosen[0]]


def csv_files(comparison: Comparison) -> dict[str, str]:
    """File name → content: the verdicts and the choices. A null is an empty field."""
    return {
        VERDICTS: _csv(list(verdict_rows(comparison))),
        CHOICES: _csv(list(choice_rows(comparison))),
    }


def verdict_rows(comparison: Comparison) -> Iterator[Flat]:
    """One flat row for each verdict in each study, measured there or not; texts in English."""
    names = [study["name"] for study in comparison["studies"]]
    for claim in comparison["claims"]:
        for question in claim["questions"]:
            for row in question["rows"]:
                for name, cell in zip(names, row["cells"], strict=True):
                    verdict, missing = cell["verdict"], cell["missing"]
                    given: Flat = {} if verdict is None else {**verdict}
                    yield {
                        "claim": claim["id"],
                        "verdict": question["id"],
                        "primary": question["primary"],
                        "norm": row["norm"],
                        "agreement": row["agreement"],
                        "cautions": " ".join(question["cautions"]),
                        "study": name,
                        **{field: given.get(field) for field in _FIELDS},
                        "missing": missing["en"] if missing else None,
                    }


def choice_rows(comparison: Comparison) -> Iterator[Flat]:
    """One flat row for each value of the table of choices in each study that has the norm."""
    names = [study["name"] for study in comparison["studies"]]
    for norm in comparison["choices"]["norms"]:
        for name, arm in zip(names, norm["arms"], strict=True):
            for column in comparison["choices"]["columns"]:
                if column["id"] in arm["values"]:
                    yield {
                        "norm": norm["norm"],
                        "study": name,
                        "seeds": arm["seeds"],
                        "column": column["id"],
                        "format": column["format"],
                        "cautions": " ".join(column["cautions"]),
                        **arm["values"][column["id"]],
                    }


_FIELDS = (
    *("outcome", "exploratory", "effect", "low", "high", "confidence", "seeds"),
    *("delta", "no_effect", "claimed", "style"),
)


def _csv(rows: list[Flat]) -> str:
    buffer = io.StringIO()
    fields = list(dict.fromkeys(field for row in rows for field in row))
    writer = csv.DictWriter(buffer, fields, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()
