"""`normkit report`: rebuild or export a study's report, or set studies side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from normkit.cli.errors import UserError


def report(
    folders: Annotated[
        list[Path],
        typer.Argument(help="A study's folder; several are compared.", metavar="FOLDER..."),
    ],
    lang: Annotated[Literal["en", "zh"], typer.Option(help="Language.")] = "en",
    format: Annotated[  # noqa: A002 - the option's name
        Literal["html", "text", "json"],
        typer.Option(help="`html` writes the page; `text` and `json` print."),
    ] = "html",
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder to write to; by default the study's own, for a comparison the current one."
        ),
    ] = None,
) -> None:
    """Rebuild a study's report, or print its results as text or JSON.

    The HTML file comes in English and in Chinese, with the results as JSON and each figure's
    numbers as CSV beside it.

    Two or more folders are set side by side: what differs between the studies, and claim by claim
    whether their verdicts agree. That page is `comparison.html`.
    """
    from normkit import report as room
    from normkit.study import StoreError, StudyResult

    try:
        results = [StudyResult.load(folder) for folder in folders]
        shown = results[0].compare(*results[1:]) if len(results) > 1 else results[0]
        if format == "text":
            typer.echo(shown.text(lang))
        elif format == "json":
            typer.echo(json.dumps(shown.document, ensure_ascii=False, indent=1))
        else:
            path = shown.report(out, "both")
            typer.echo(path if lang == "en" else path.with_name(f"{path.stem}.{lang}.html"))
    except (StoreError, room.ResultsError, room.ComparisonError) as error:
        raise UserError(str(error)) from error
    except OSError as error:
        raise UserError(
            f"a report needs a folder that it can write to: {error}; choose another with --out"
        ) from error
