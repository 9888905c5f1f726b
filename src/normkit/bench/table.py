"""A bench as plain text: one table for each kind of case, and a summary."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType

from normkit.bench.document import KEYS, OVER, Document, Group, Row
from normkit.bench.summary import NORMKIT, by_shape, grouped
from normkit.bench.words import LABELS, kind, means, over, paths, size, where
from normkit.report import formats
from normkit.report.console import clean, printed, titled_table, width_or_terminals

NOT_TIMED = "not timed"


def text(document: Document, width: int | None = None) -> str:
    """All that was measured.

    Args:
        document: of a bench, whole or not.
        width: in columns; by default the terminal's.

    Returns:
        Plain text, no line wider than `width`.

    Raises:
        ValueError: `width` is too small for any table.
    """
    width = width_or_terminals(width)
    return printed(_blocks(document), width)


def _blocks(document: Document) -> Iterator[RenderableType]:
    yield clean(where(document))
    yield clean(
        f"Milliseconds: the median of {document['rounds']} rounds, ± half the range of the middle "
        f"half. {'No activation' if document['act'] is None else 'Activation: ' + document['act']}."
    )
    if document["machine"]["gpu"] is not None:
        yield clean(
            "Of the GPU alone; in brackets that of the host to queue a step, where it is longer."
        )
    for rows in grouped(document["rows"]).values():
        yield from _group(rows)
    if document["summary"]:
        yield from _summary(document["summary"])
        yield ""
        yield clean(f"Over all cases, geometric means: {means(document['over_normkit'])}.")


def _group(rows: list[Row]) -> Iterator[RenderableType]:
    names = paths(rows)
    table = titled_table(kind(rows[0]))
    table.add_column("shape", no_wrap=True)
    for name in names:
        table.add_column(LABELS[name], justify="right")
    rivals = [name for name in OVER if name in names]
    for name in rivals:
        table.add_column(over(name), justify="right")
    table.add_column("normkit / floor", justify="right")
    for shape, found in by_shape(rows).items():
        ours = found.get(NORMKIT)
        table.add_row(
            size(shape),
            *(_cell(found.get(name)) for name in names),
            *(formats.column(ours and ours[OVER[name]], "ratio") for name in rivals),  # type: ignore[literal-required]
            formats.column(ours and ours["times_floor"], "ratio"),
        )
    yield ""
    yield table
    for row in rows:
        if row["reason"] is not None:
            label = f"{LABELS[row['contestant']]}, {size(row['shape'])}"
            yield clean(f"{NOT_TIMED}: {label}: {row['reason']}")


def _cell(row: Row | None) -> str:
    if row is None:
        return formats.NOTHING
    if row["median"] is None or row["q25"] is None or row["q75"] is None:
        return NOT_TIMED
    half = (row["q75"] - row["q25"]) / 2 / row["median"]
    # Where a column is narrow, the line breaks between the two.
    told = f"{formats.number(1e3 * row['median'])} ±{100 * half:.0f}%"
    if row["host"] is not None and row["host"] > row["median"]:
        told += f" ({formats.number(1e3 * row['host'])})"
    return told


def _summary(groups: list[Group]) -> Iterator[RenderableType]:
    rivals = [name for name in LABELS if any(name in group["over_normkit"] for group in groups)]
    # What is the same for all is in the titles above.
    varied = [key for key in KEYS if len({kind(group, [key]) for group in groups}) > 1]
    told = [key for key in KEYS if key in ("method", "layout", *varied)]
    table = titled_table("Over all shapes, geometric means of times over normkit's")
    table.add_column("")
    for name in rivals:
        table.add_column(over(name), justify="right")
    table.add_column("normkit / floor", justify="right")
    table.add_column("worst for normkit")
    for group in groups:
        worst = group["worst"]
        table.add_row(
            kind(group, told),
            *(formats.column(group["over_normkit"].get(name), "ratio") for name in rivals),
            formats.column(group["times_floor"], "ratio"),
            formats.NOTHING
            if worst is None
            else f"{formats.column(worst['ratio'], 'ratio')} {LABELS[worst['contestant']]}, "
            f"{size(worst['shape'])}",
        )
    yield ""
    yield table
