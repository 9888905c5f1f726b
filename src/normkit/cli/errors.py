"""How an error reaches the user: what it says, without a traceback, and a fitting exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

INTERRUPTED = 130
"""Exit code of a command that was stopped with Ctrl-C."""

# A mistyped command or option. Typer does not export the class itself, only one below it.
_USAGE_ERROR: Any = typer.BadParameter.__base__


@contextmanager
def told() -> Iterator[None]:
    """Tell errors that the user can mend; let all others through, traceback and all."""
    try:
        yield
    except _USAGE_ERROR as error:
        error.show()
        sys.exit(error.exit_code)
    except typer.Exit as leaving:
        sys.exit(leaving.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("\nStopped. Finished trials are kept: the same command goes on.", err=True)
        sys.exit(INTERRUPTED)
    except Stopped as stopped:
        typer.echo(f"\n{stopped}", err=True)
        sys.exit(INTERRUPTED)
    except UserError as error:
        typer.secho("Error: ", fg="red", bold=True, nl=False, err=True)
        typer.echo(str(error), err=True)
        sys.exit(2)


class UserError(Exception):
    """An error whose message tells the user the rule, what came, and the likely fix."""


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """The user stopped a command that has something else to say than a study."""
