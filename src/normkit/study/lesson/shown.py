"""The parts that the lesson's steps are made of: formulas, tables and figures."""

from __future__ import annotations

from typing import Any

from normkit.study.bilingual import Text, text
from normkit.study.claim import Axis, Plot
from normkit.study.lesson.scene import Scene


def formula(form: str, **values: float) -> dict[str, Any]:
    """A formula with numbers filled in where `{name}` stands.

    `{name()}` is for a number behind another sign: a negative one stands in parentheses.

    >>> formula("μ = Σx / m = {sum} / {count}", sum=3.0, count=2)["values"]
    {'sum': 3.0, 'count': 2}
    """
    return {"form": form, "values": values}


def step(
    id_: str,
    title: Text,
    said: list[Text],
    *,
    formulas: list[dict[str, Any]] | None = None,
    maps: dict[str, Any] | None = None,
    tables: list[dict[str, Any]] | None = None,
    figures: list[dict[str, Any]] | None = None,
    after: list[Text] | None = None,
) -> dict[str, Any]:
    """One step of the lesson, as the results document has it."""
    return {
        "id": id_,
        "title": title,
        "said": said,
        "formulas": formulas or [],
        "maps": maps,
        "tables": tables or [],
        "figures": figures or [],
        "after": after or [],
    }


def table(
    caption: Text,
    head: Text,
    columns: list[dict[str, Any]],
    rows: list[dict[str, Any]],
) -> dict[str, Any]:
    """A table of numbers, one row for each image or other thing."""
    return {"caption": caption, "head": head, "columns": columns, "rows": rows}


def column(label: Text, norm: str | None = None) -> dict[str, Any]:
    """A table's column; those of one norm stand together under its name."""
    return {"label": label, "norm": norm}


def image_row(image: int, cells: list[float | None], marked: int | None = None) -> dict[str, Any]:
    """A row of a table for one image; `marked` is the column of a cell to point out."""
    return {
        "label": text(f"image {image + 1}", f"图像 {image + 1}"),
        "image": image,
        "cells": cells,
        "marked": marked,
    }


def value_table(scene: Scene, stage: str, caption: Text) -> dict[str, Any]:
    """The shown values at one stage: a row for each image, a column for each position."""
    image, position = scene.followed
    return table(
        caption,
        text("image", "图像"),
        [
            column(text(f"row {row + 1}, col. {col + 1}", f"第 {row + 1} 行第 {col + 1} 列"))
            for row, col in scene.positions
        ],
        [
            image_row(i, list(values), position if i == image else None)
            for i, values in enumerate(scene.values(stage))
        ],
    )


def histogram_rows(found: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    """The rows of a histogram's figure, with more fields in each."""
    low, high, shares = (found[name] for name in ("low", "high", "shares"))
    return [
        {**fields, "value": low + (high - low) * (i + 0.5) / len(shares), "share": 100 * share}
        for i, share in enumerate(shares)
    ]


def value_figure(
    scene: Scene, stage: str, title: Text, caption: Text, label: Text, marks: list[dict[str, Any]]
) -> dict[str, Any]:
    """The histogram of all values of the channel at one stage."""
    return Plot(
        id=stage,
        title=title,
        caption=caption,
        kind="histogram",
        x=Axis("value", label),
        y=Axis("share", text("share of the values per bin, %", "各区间所占比例（%）")),
        series=None,
        rows=histogram_rows(scene.found["histograms"][stage]),
        references=marks,
    ).to_dict()


def mark(value: float, label: Text) -> dict[str, Any]:
    """An upright line in a figure, its place told to four digits."""
    return {"axis": "x", "value": float(f"{value:.4g}"), "label": label}
