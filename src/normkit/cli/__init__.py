"""The command line: one command, one file; it parses, calls and shows, and decides nothing."""

from __future__ import annotations

import sys

import typer

from normkit import __version__

app = typer.Typer(
    name="normkit",
    help="Normalization for convolutional networks: measure what it does for yours.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"normkit {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Show the version."
    ),
) -> None:
    """Normalization for convolutional networks: measure what it does for yours."""


from normkit.cli import bench, listing, report, study  # noqa: E402

app.command("study")(study.study)
app.command("report")(report.report)
app.command("bench")(bench.bench)
app.command("list")(listing.listing)


def main() -> None:
    """Run the command line; errors that the user can mend are told without a traceback."""
    from normkit.cli.errors import INTERRUPTED, told

    with told():
        # Typer answers with the exit code of a command that ended early, `--version` say.
        code = app(standalone_mode=False) or 0
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        sys.exit(code)
