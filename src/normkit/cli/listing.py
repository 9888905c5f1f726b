"""`normkit list`: the names that the other commands take."""

from __future__ import annotations

from typing import Annotated, Literal

import typer
from rich import box
from rich.console import Console
from rich.table import Table


def listing(
    what: Annotated[
        Literal["norms", "rivals", "claims", "models"], typer.Argument(help="What to list.")
    ],
) -> None:
    """List the norms of the catalogue, their rivals without norm, the claims, or the models."""
    rows: list[tuple[str, ...]]
    if what == "norms":
        from normkit.nn.catalogue import catalogue

        head: tuple[str, ...] = ("norm", "year", "axes", "when to use it")
        rows = [(m.name, str(m.year or "–"), m.axes, m.when) for m in catalogue().values()]
    elif what == "rivals":
        from normkit.study.arms import RIVALS

        head = ("rival", "year", "what it does in place of a norm")
        rows = [(name, str(rival.year), rival.what) for name, rival in RIVALS.items()]
    elif what == "claims":
        from normkit.study.claims import claims

        head = ("claim", "what textbooks say", "headline")
        rows = [(c.id, c.title["en"], "yes" if c.headline else "") for c in claims().values()]
    else:
        from normkit.models import MODELS

        head, rows = ("model", "what it is"), list(MODELS.items())
    table = Table(*head, box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*row)
    Console(highlight=False).print(table)
