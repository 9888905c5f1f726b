"""The example's lesson: every kind of part that a lesson has, with small made-up numbers."""

from __future__ import annotations

import math
from typing import Any

from tests.report.example_parts import NORMS, axis, text

# A grey PNG of one pixel.
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)
IMAGES, CHANNELS, SIDE = 6, 8, 4
METHODS = ("batch", "layer", "instance", "group")


def lesson() -> dict[str, Any]:
    """A fresh lesson; change it freely."""
    return {
        "lead": [text("One batch in one layer of the `batch` network.", "`batch` 网络中的一批。")],
        "images": [
            {"png": PIXEL, "label": text(f"image {i}, class {i}", f"图像 {i}，类别 {i}")}
            for i in range(1, IMAGES + 1)
        ],
        "steps": [values(), sharing(), outcomes(), along_training()],
        "terms": [
            term(text("ε", "ε"), None, None),
            term(
                text("", ""),
                "batch",
                {"name": "Ioffe and Szegedy, 2015", "address": "https://arxiv.org/abs/1502.03167"},
            ),
        ],
    }


def step(name: str, en: str, zh: str, **parts: Any) -> dict[str, Any]:
    return {
        "id": name,
        "title": text(en, zh),
        "said": [text(f"What is seen of {name}.", "此处所见。")],
        "formulas": [],
        "maps": None,
        "tables": [],
        "figures": [],
        "after": [],
        **parts,
    }


def term(name: dict[str, str], norm: str | None, paper: dict[str, str] | None) -> dict[str, Any]:
    meaning = text("a small constant", "很小的常数")
    return {"term": name, "meaning": meaning, "norm": norm, "paper": paper}


def row(image: int | None, cells: list[float | None], marked: int | None = None) -> dict[str, Any]:
    label = text("`batch`", "`batch`") if image is None else text("image", "图像")
    return {"label": label, "image": image, "cells": cells, "marked": marked}


def table(columns: list[dict[str, Any]], rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "caption": text("Values of one channel", "一个通道的数值"),
        "head": text("image", "图像"),
        "columns": columns,
        "rows": rows,
    }


def column(en: str, zh: str, norm: str | None = None) -> dict[str, Any]:
    return {"label": text(en, zh), "norm": norm}


def figure(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": name,
        "title": text("Values of the channel", "通道的数值"),
        "caption": text("All of them.", "全部数值。"),
        "x": axis("value", "value", "数值"),
        "series": None,
        **fields,
    }


def bins(centre: float, **fields: Any) -> list[dict[str, Any]]:
    return [
        {**fields, "value": centre + i / 5, "share": 10 * math.exp(-((i / 5) ** 2))}
        for i in range(-10, 11)
    ]


def values() -> dict[str, Any]:
    places = [column(f"row {i}, col. {i}", f"第 {i} 行第 {i} 列") for i in range(1, 5)]
    cells = [[(i - 3) * 1.25 + j for j in range(4)] for i in range(IMAGES)]
    small = [[value * 1e-5 for value in row_] for row_ in cells]
    return step(
        "values",
        "1. The values that enter",
        "1. 输入的数值",
        formulas=[
            {
                "form": "x̂ = (x − μ) / √(σ² + ε) = ({x} − {mean()}) / {deviation} = {y}",
                "values": {"x": 2.632, "mean": -2.08, "deviation": 2.093, "y": 2.251},
            }
        ],
        tables=[
            table(places, [row(i, list(c), 2 if i == 1 else None) for i, c in enumerate(cells)]),
            table(places, [row(i, list(c)) for i, c in enumerate(small)]),
        ],
        figures=[
            figure(
                "input",
                kind="histogram",
                y=axis("share", "share, %", "比例（%）"),
                references=[{"axis": "x", "value": 0.5, "label": text("mean μ", "均值 μ")}],
                rows=bins(0.5),
            )
        ],
        after=[text("So it goes.", "如此而已。")],
    )


def sharing() -> dict[str, Any]:
    shared = {
        "batch": [[image, 4] for image in range(IMAGES)],
        "layer": [[0, channel] for channel in range(CHANNELS)],
        "instance": [[0, 4]],
        "group": [[0, 4], [0, 5]],
    }
    maps = {
        "title": text("Which values share a mean", "哪些数值共用均值"),
        "caption": text("A few of them.", "其中一部分。"),
        "across": text("channel", "通道"),
        "down": text("image", "图像"),
        "size": [SIDE, SIDE],
        "first_channel": 9,
        "values": [
            [
                [math.sin(image + 2 * channel + place) for place in range(SIDE**2)]
                for channel in range(CHANNELS)
            ]
            for image in range(IMAGES)
        ],
        "panels": [
            {
                "norm": method,
                "said": text("an image, over a group: 256 sets of 32 values", "共 256 组"),
                "shared": shared[method],
            }
            for method in METHODS
        ],
    }
    columns = [column(sign, sign, method) for method in METHODS for sign in ("μ", "σ²")]
    rows = [row(image, [-0.356 * image, 8.19] * 4) for image in range(IMAGES)]
    return step(
        "sharing", "2. Four methods", "2. 四种方法", maps=maps, tables=[table(columns, rows)]
    )


def outcomes() -> dict[str, Any]:
    columns = [column("mean", "均值"), column("variance", "方差")]
    cells: list[list[float | None]] = [[5.2e-18, 1.0], [-0.829, 0.821], [None, 0.58]]
    share = {"field": "share", "label": text("share, %", "比例（%）"), "format": "number"}
    return step(
        "outcomes",
        "3. What comes out",
        "3. 结果",
        tables=[table(columns, [row(None, c) for c in cells])],
        figures=[
            figure(
                "outcomes",
                kind="ridges",
                y=axis("norm", "method", "方法", "category"),
                series="norm",
                value=share,
                rows=[r for i, m in enumerate(METHODS) for r in bins(i / 4, norm=m)],
            )
        ],
    )


def along_training() -> dict[str, Any]:
    share = {"field": "share", "label": text("share, %", "比例（%）"), "format": "number"}
    panels = [(norm, which) for norm in NORMS for which in ("before", "after")]
    return step(
        "along-training",
        "Along training",
        "训练过程中",
        figures=[
            figure(
                "along-training",
                kind="ridges",
                y=axis("step", "step of training", "训练步数", "category"),
                series="norm",
                facet="panel",
                facets={
                    f"{norm} {which}": text(f"`{norm}`, {which}", f"`{norm}`，之前或之后")
                    for norm, which in panels
                },
                value=share,
                rows=[
                    r
                    for norm, which in panels
                    for s in (0, 4, 29, 200)
                    for r in bins(s / 50, panel=f"{norm} {which}", norm=norm, step=s)
                ],
            )
        ],
    )
