"""`normkit report`: rebuild or export a study's report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from normkit.cli.errors import UserError


def report(
    folder: Annotated[Path, typer.Argument(help="A study's folder.")],
    lang: Annotated[Literal["en", "zh"], typer.Option(help="Language.")] = "en",
    format: Annotated[  # noqa: A002 - the option's name
        Literal["html", "text", "json"],
        typer.Option(help="`html` writes the page; `text` and `json` print."),
    ] = "html",
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to; the study's own by default.")
    ] = None,
) -> None:
    """Rebuild a study's report, or print its results as text or JSON.

    The HTML file comes in English and in Chinese, with the results as JSON and each figure's
    numbers as CSV beside it.
    """
    from normkit import report as room
    from normkit.study import StoreError, StudyResult

    try:
        result = StudyResult.load(folder)
        if format == "text":
            typer.echo(room.text(result.document, lang, full=True))
        elif format == "json":
            typer.echo(json.dumps(result.document, ensure_ascii=False, indent=1))
        else:
            path = result.report(out, "both")
            typer.echo(path if lang == "en" else path.with_name(f"report.{lang}.html"))
    except (StoreError, room.ResultsError) as error:
        raise UserError(str(error)) from error
    except OSError as error:
        raise UserError(
            f"a report needs a folder that it can write to: {error}; choose another with --out"
        ) from error
