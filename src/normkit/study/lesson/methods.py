"""Batch, layer, instance and group norm on the same values: who shares a mean and a variance."""

from __future__ import annotations

from typing import Any

from normkit.study.bilingual import Text, text
from normkit.study.claim import Axis, Plot
from normkit.study.lesson.scene import Scene
from normkit.study.lesson.shown import column, histogram_rows, image_row, step, table

METHODS = ("batch", "layer", "instance", "group")


def steps(scene: Scene) -> list[dict[str, Any]]:
    """The sixth and the seventh step."""
    return [_sharing(scene), _outcomes(scene)]


def _sharing(scene: Scene) -> dict[str, Any]:
    said = [
        text(
            "Batch norm is one way to choose which values share a mean and a variance. The other "
            "methods apply the same formula to other sets of the very same values. In each picture "
            "a row is an image, a column a channel, and each cell the real map of the image in "
            "that channel, stronger where larger. Framed is one set: the values that are "
            f"standardised together with the map of image 1 in channel {scene.channel + 1}.",
            "批归一化只是一种选择：决定哪些数值共用均值与方差。其他方法把同一公式用于同样数值的"
            "不同分组。每幅图中，一行是一张图像，一列是一个通道，每一格是该图像在该通道上的真实特征图，"
            "颜色越浓数值越大。框出的是一组："
            f"与图像 1 在第 {scene.channel + 1} 个通道上的特征图一起标准化的数值。",
        )
    ]
    if scene.shape[2] * scene.shape[3] == 1:
        said.append(
            text(
                "Here each map has a single position. Instance norm would then subtract each value "
                "from itself and leave zero everywhere: it needs maps of several positions.",
                "这里每张特征图只有一个位置。实例归一化会让每个数值减去它自己，结果处处为零："
                "它需要有多个位置的特征图。",
            )
        )
    return step(
        "sharing",
        text("6. The same values, four methods", "6. 同样的数值，四种方法"),
        said,
        maps=_maps(scene),
        tables=[_statistics(scene)],
        after=[
            text(
                "Down a column, batch norm's numbers are the same for every image: an image's "
                "result depends on the others in its batch. The other methods have numbers of "
                "their own for every image, in training and in evaluation alike.",
                "纵向来看，批归一化的数值对每张图像都相同：一张图像的结果取决于同批的其他图像。"
                "其他方法对每张图像各有自己的数值，训练与评估时都是如此。",
            )
        ],
    )


def shared(method: str, groups: int, scene: Scene) -> list[list[int]]:
    """The maps, as [image, channel] among those drawn, that share a set with the followed one."""
    maps = scene.found["maps"]
    first, images, channel = maps["first"], len(maps["values"]), scene.channel
    channels = range(first, first + len(maps["values"][0]))
    per_group = scene.shape[1] // groups
    return [
        [image, c - first]
        for image in range(images)
        for c in channels
        if {
            "batch": c == channel,
            "layer": image == 0,
            "instance": image == 0 and c == channel,
            "group": image == 0 and c // per_group == channel // per_group,
        }[method]
    ]


def _maps(scene: Scene) -> dict[str, Any]:
    maps, (n, c, height, width) = scene.found["maps"], scene.shape
    images, channels = len(maps["values"]), len(maps["values"][0])
    averaged = maps["size"] != [height, width]
    rows, columns = maps["size"]
    return {
        "title": text("Which values share one mean and one variance", "哪些数值共用均值与方差"),
        "caption": text(
            f"{images} of {n} images and {channels} of {c} channels; the sets go on beyond them. "
            + (f"Each map is drawn averaged to {rows} × {columns}. " if averaged else "")
            + "The shades are the same in all four pictures: the values as they enter; two per "
            "cent at either end share the faintest and the strongest.",
            f"画出 {n} 张图像中的 {images} 张、{c} 个通道中的 {channels} 个；各组延伸到图外。"
            + (f"每张特征图已平均为 {rows} × {columns}。" if averaged else "")
            + "四幅图的浓淡相同，都是输入时的数值；两端各 2 % 的数值分别用最淡与最浓的颜色。",
        ),
        "across": text("channel", "通道"),
        "down": text("image", "图像"),
        "size": [rows, columns],
        "first_channel": maps["first"] + 1,
        "values": maps["values"],
        "panels": [
            {
                "norm": method,
                "said": _said(method, scene),
                "shared": shared(method, scene.found["methods"][method]["groups"], scene),
            }
            for method in METHODS
        ],
    }


def _said(method: str, scene: Scene) -> Text:
    found = scene.found["methods"][method]
    sets, count, groups = found["sets"], found["count"], found["groups"]
    per_group = scene.shape[1] // groups
    who = {
        "batch": text("a channel, over all images", "一个通道，跨所有图像"),
        "layer": text("an image, over all its channels", "一张图像，跨它的所有通道"),
        "instance": text("one image in one channel", "一张图像的一个通道"),
        "group": text(
            f"an image, over a group of {per_group} of its {scene.shape[1]} channels",
            f"一张图像，跨 {scene.shape[1]} 个通道中每组 {per_group} 个",
        ),
    }[method]
    return text(
        f"{who['en']}: {sets} sets of {count} values",
        f"{who['zh']}：共 {sets} 组，每组 {count} 个数值",
    )


def _statistics(scene: Scene) -> dict[str, Any]:
    found = scene.found["methods"]
    return table(
        text(
            f"Mean μ and variance σ² that each image's values in channel {scene.channel + 1} are "
            "standardised with",
            f"每张图像在第 {scene.channel + 1} 个通道上的数值所用的均值 μ 与方差 σ²",
        ),
        text("image", "图像"),
        [
            column(label, method)
            for method in METHODS
            for label in (text("μ", "μ"), text("σ²", "σ²"))
        ],
        [
            image_row(
                image,
                [
                    found[method][name][image]
                    for method in METHODS
                    for name in ("means", "variances")
                ],
            )
            for image in range(scene.shown_images)
        ],
    )


def _outcomes(scene: Scene) -> dict[str, Any]:
    found = scene.found["methods"]
    rows = [
        {
            "label": text(f"`{method}`", f"`{method}`"),
            "image": None,
            "cells": [found[method]["after"][name] for name in ("mean", "variance", "spread")],
            "marked": None,
        }
        for method in METHODS
    ]
    figure = Plot(
        id="outcomes",
        title=text("The channel after each method", "该通道经各方法之后"),
        caption=text(
            "All values of the channel, before γ and β. Half a per cent on either side is left "
            "out; each histogram is drawn as high as its highest bin. The line is zero.",
            "该通道的全部数值，未乘 γ、加 β，两端各略去 0.5 %；"
            "每个直方图的高度按其最高的区间缩放。竖线为零。",
        ),
        kind="ridges",
        x=Axis("value", text("x̂", "x̂")),
        y=Axis("norm", text("method", "方法"), "category"),
        value={
            "field": "share",
            "label": text("share of the values per bin, %", "各区间所占比例（%）"),
            "format": "number",
        },
        rows=[
            row
            for method in METHODS
            for row in histogram_rows(found[method]["histogram"], norm=method)
        ],
        references=[{"axis": "x", "value": 0.0, "label": text("zero", "零")}],
    ).to_dict()
    return step(
        "outcomes",
        text("7. How the same channel comes out", "7. 同一通道得到什么结果"),
        [
            text(
                "Each method gives mean 0 and variance 1 to its own sets, not to those of another. "
                "So the channel, taken over the batch, is centred by batch norm and by instance "
                "norm, but not in general by layer norm or group norm, which centre it only "
                "together with its neighbours. The last column tells what becomes of the "
                "differences between images: instance norm makes the channel's mean the same in "
                "all of them. A number such as 10⁻¹⁷ is zero, but for rounding.",
                "每种方法只让自己的分组均值为 0、方差为 1，而不是别的方法的分组。"
                "因此在整个批次上看，批归一化与实例归一化使该通道居中；"
                "层归一化与组归一化一般不会，它们只让该通道与相邻通道合起来居中。"
                "最后一列说明图像之间的差异还剩多少：实例归一化使该通道在每张图像上的均值都相同。"
                "像 10⁻¹⁷ 这样的数就是零，只差舍入。",
            )
        ],
        tables=[
            table(
                text(
                    f"Channel {scene.channel + 1} over the whole batch, after each method",
                    f"第 {scene.channel + 1} 个通道在整个批次上，经各方法之后",
                ),
                text("method", "方法"),
                [
                    column(text("mean", "均值")),
                    column(text("variance", "方差")),
                    column(
                        text("standard deviation of the images' means", "各图像均值的标准差"),
                    ),
                ],
                rows,
            )
        ],
        figures=[figure],
    )
