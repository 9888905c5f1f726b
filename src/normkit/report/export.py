"""A study's results as files: the page, the document itself, and each figure's numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from normkit.files import write_whole
from normkit.report import page
from normkit.report.figure_csv import csv_files
from normkit.report.results import read
from normkit.report.words import LANGUAGES, language

PAGES = {"en": "report.html", "zh": "report.zh.html"}


def write(results: Mapping[str, Any], folder: Path, lang: str = "en") -> Path:
    """Write the report and its data into a folder, each file whole or not at all.

    Writes `report.html` (English) or `report.zh.html` (Chinese), or with `lang="both"` the two
    with links to each other; `results.json`; and `figures/*.csv`.

    Args:
        results: a results document.
        folder: made if it is missing; other files in it are left alone.
        lang: `en`, `zh` or `both`.

    Returns:
        The path of the page; with `both`, of the English one.

    Raises:
        ResultsError: if `results` is not a results document; then nothing is written.
        ValueError: if the report is not written in `lang`.
    """
    chosen = LANGUAGES if language(lang, also=("both",)) == "both" else (lang,)
    document = read(results)
    siblings = {name: PAGES[name] for name in chosen} if len(chosen) > 1 else {}
    pages = {PAGES[name]: page.render(document, name, siblings) for name in chosen}
    files = {
        "results.json": json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n",
        **{f"figures/{name}": content for name, content in csv_files(results).items()},
        **pages,
    }
    folder = Path(folder)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_whole(folder / name, content)
    return folder / PAGES[chosen[0]]
