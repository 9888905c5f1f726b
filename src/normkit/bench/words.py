"""Names as tables and charts show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from normkit.bench.contestants import ALL
from normkit.bench.document import KEYS, OVER, Document, Row
from normkit.bench.measure import FLOOR
from normkit.report import formats

LABELS = {FLOOR: "floor", **{each.name: each.label for each in ALL}}
"""Path → its label."""


def kind(of: Mapping[str, Any], keys: Iterable[str] = KEYS) -> str:
    """What tells a group of rows from others, in words.

    Args:
        of: a row of it, or its summary.
        keys: what to tell, of `KEYS`.

    >>> found = {"method": "batch", "layout": "channels_last", "dtype": "float32"}
    >>> kind(found | {"direction": "training", "residual": True})
    'batch, channels last, float32, training, residual'
    >>> kind(found, ("method", "layout"))
    'batch, channels last'
    """
    told = {**of, "residual": "residual" if of.get("residual") else ""}
    told["layout"] = str(of["layout"]).replace("_", " ")
    return ", ".join(told[key] for key in keys if told[key])


def over(name: str) -> str:
    """The ratio of a path's time and normkit's.

    >>> over("eager_in_place")
    'in place / normkit'
    """
    return f"{LABELS[name]} / normkit"


def means(over_normkit: Mapping[str, float]) -> str:
    """Those of what a reader would use in normkit's place, PyTorch's layer plain and in place.

    >>> means({"eager": 2.0, "eager_in_place": 1.5, "onednn": 3.0})
    'eager / normkit ×2, in place / normkit ×1.5'
    """
    return ", ".join(
        f"{over(name)} {formats.column(over_normkit[name], 'ratio')}"
        for name in OVER
        if name in over_normkit
    )


def size(shape: Sequence[int]) -> str:
    """A shape as it is read.

    >>> size([32, 64, 7, 7])
    '32×64×7×7'
    """
    return "×".join(map(str, shape))


def paths(rows: Iterable[Row]) -> list[str]:
    """The paths that take part, in their own order."""
    found = {row["contestant"] for row in rows}
    return [name for name in LABELS if name in found]


def where(document: Document) -> str:
    """The machine and the versions, in one line."""
    machine, gpu = document["machine"], document["machine"]["gpu"]
    versions = f"normkit {document['normkit']}, torch {document['torch']}"
    if gpu is not None:
        compilers = f"CUDA {gpu['cuda']}, Triton {gpu['triton']}"
        return f"{gpu['name']}; {versions}, {compilers}"
    count = machine["threads"]
    threads = "1 thread" if count == 1 else f"{count} threads"
    return f"{machine['processor']}, {machine['capability']}, {threads}; {versions}"
