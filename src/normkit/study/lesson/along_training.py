"""How the values before and after each norm change while the network trains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from normkit.study.bilingual import text
from normkit.study.claim import Axis, Plot
from normkit.study.lesson.shown import histogram_rows
from normkit.study.lesson.shown import step as lesson_step
from normkit.study.record import Record


def figures(records: Mapping[str, Record | None]) -> list[dict[str, Any]]:
    """Histograms before and after each norm, from the start of training to its end."""
    rows: list[dict[str, Any]] = []
    facets = {}
    layers = set()
    for norm, record in records.items():
        for step, moment in (record.probes["distributions"] if record else {}).items():
            if moment["found"] is None:
                continue
            layers.add(moment["layer"])
            for which, (en, zh) in _WHICH.items():
                facets[f"{norm} {which}"] = text(f"`{norm}`, {en}", f"`{norm}`，{zh}")
                rows += histogram_rows(
                    moment["found"][which]["histogram"],
                    panel=f"{norm} {which}",
                    norm=norm,
                    step=int(step),
                )
    if not rows:
        return []
    # Panels in pairs, though the rows of a norm come moment by moment.
    order = {panel: place for place, panel in enumerate(facets)}
    rows.sort(key=lambda row: (order[row["panel"]], row["step"]))
    with_none = "none before" in facets
    layer = ", ".join(str(number) for number in sorted(layers))
    return [
        Plot(
            id="along-training",
            title=text("Before and after each norm, along training", "训练过程中各方法之前与之后"),
            caption=text(
                f"All values of layer {layer} on the same batch of images, as they enter the norm "
                "and as they leave it (γ and β included), in one trial of each norm, at its own "
                "best rate. Each panel has an axis of its own; from top to bottom, the step of "
                "training. Each histogram has 31 bins between its own ends, half a per cent on "
                "either side left out, and is drawn as high as its highest bin."
                + " `none` changes nothing, so its two panels are the same."
                * with_none,
                f"第 {layer} 层在同一批图像上的全部数值：输入归一化层时与输出时（含 γ 与 β）；"
                "每种方法一次试验，用各自的最佳学习率。各小图有各自的横轴；从上到下为训练步数。"
                "每个直方图在自己的两端之间等分为 31 个区间，两端各略去 0.5 %，"
                "高度按其最高的区间缩放。" + "`none` 不作任何改变，因此两幅小图相同。" * with_none,
            ),
            kind="ridges",
            x=Axis("value", text("value", "数值")),
            y=Axis("step", text("step of training", "训练步数"), "category"),
            series="norm",
            facet="panel",
            facets=facets,
            value={
                "field": "share",
                "label": text("share of the values per bin, %", "各区间所占比例（%）"),
                "format": "number",
            },
            rows=rows,
        ).to_dict()
    ]


_WHICH = {"before": ("before", "归一化之前"), "after": ("after", "归一化之后")}


def step(figures: list[dict[str, Any]]) -> dict[str, Any]:
    """The last step of the lesson."""
    return lesson_step(
        "along-training",
        text("Along training", "训练过程中"),
        [
            text(
                "While the weights before it change, the values that enter a norm may wander and "
                "widen. Those that leave it can do so only by way of γ and β: compare the axes of "
                "each pair, and how its histograms move from the first step to the last.",
                "前面各层的权重在变，输入归一化层的数值可能随之漂移、变宽；"
                "而输出的数值只能通过 γ 与 β 改变。请比较每对小图的横轴，"
                "以及直方图从第一步到最后一步如何移动。",
            )
        ],
        figures=figures,
    )
