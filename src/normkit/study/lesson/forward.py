"""Forwards through batch norm: the values, their mean and variance, x̂, and γ and β."""

from __future__ import annotations

from typing import Any

from normkit.study.bilingual import Text, text
from normkit.study.lesson.scene import Scene
from normkit.study.lesson.shown import formula, mark, step, value_figure, value_table


def steps(scene: Scene) -> list[dict[str, Any]]:
    """The first four steps."""
    return [_values(scene), _moments(scene), _standardised(scene), _output(scene)]


def _values(scene: Scene) -> dict[str, Any]:
    n, _, height, width = scene.shape
    shown, some = scene.shown_images, len(scene.positions)
    mean, deviation = scene.number("mean"), scene.deviation
    return step(
        "values",
        text("1. The values that enter", "1. 输入的数值"),
        [
            text(
                f"Batch norm looks at one channel at a time, over the whole batch: {n} images × "
                f"{height} × {width} positions = {scene.number('count'):.0f} values. The table "
                f"has those of {shown} images at {some} of the positions; the marked one is "
                "followed through every step.",
                f"批归一化每次只看一个通道，但看整个批次：{n} 张图像 × {height} × {width} 个位置 = "
                f"{scene.number('count'):.0f} 个数值。表中是其中 {shown} 张图像在 {some} 个位置上的"
                "数值；标出的那个数值会贯穿以下每一步。",
            )
        ],
        tables=[value_table(scene, "input", text("x, as it enters the norm", "输入归一化层的 x"))],
        figures=[
            value_figure(
                scene,
                "input",
                text("The channel's values as they enter", "该通道输入时的数值"),
                text(
                    "All values of the channel over the batch. Half a per cent on either side is "
                    "left out.",
                    "该通道在整个批次上的所有数值，两端各略去 0.5 %。",
                ),
                text("x", "x"),
                [
                    mark(mean, text("mean μ", "均值 μ")),
                    mark(mean - deviation, text("μ − √(σ² + ε)", "μ − √(σ² + ε)")),
                    mark(mean + deviation, text("μ + √(σ² + ε)", "μ + √(σ² + ε)")),
                ],
            )
        ],
    )


def _moments(scene: Scene) -> dict[str, Any]:
    numbers = {
        name: scene.number(name) for name in ("sum", "count", "mean", "squares", "variance", "eps")
    }
    running = scene.found["running"]
    after: list[Text] = []
    formulas = [
        formula("μ = Σx / m = {sum} / {count} = {mean}", **numbers),
        formula("σ² = Σ(x − μ)² / m = {squares} / {count} = {variance}", **numbers),
        formula(
            "√(σ² + ε) = √({variance} + {eps}) = {deviation}", **numbers, deviation=scene.deviation
        ),
    ]
    if running and scene.is_batch:
        formulas.append(
            formula(
                "μ′ = {first}   σ′² = {second}",
                first=running[0],
                second=running[1],
            )
        )
        after.append(
            text(
                "In evaluation there need be no batch: then the layer uses its running mean μ′ and "
                "running variance σ′², averaged over the batches of training, in place of μ and "
                "σ² (the last line).",
                "评估时未必有批次可用，该层便不用 μ 与 σ²，而用在训练各批次上滑动平均得到的"
                "滑动均值 μ′ 与滑动方差 σ′²（最后一行）。",
            )
        )
    return step(
        "moments",
        text("2. Their mean and variance", "2. 它们的均值与方差"),
        [
            text(
                "One mean μ and one variance σ² for all m values of the channel, whichever image "
                "they come from. The small number ε keeps the division of the next step safe "
                "where the variance is near zero.",
                "该通道的全部 m 个数值共用一个均值 μ 和一个方差 σ²，不管它们来自哪张图像。"
                "很小的数 ε 使下一步在方差接近零时仍可安全相除。",
            )
        ],
        formulas=formulas,
        after=after,
    )


def _standardised(scene: Scene) -> dict[str, Any]:
    return step(
        "standardised",
        text("3. The standardised values", "3. 标准化之后的数值"),
        [
            text(
                "Subtract the mean, divide by the standard deviation: now the channel has mean 0 "
                "and variance 1 (a little less, because of ε). The shape of the histogram stays; "
                "only its place and its width change. Here is the marked value.",
                "减去均值，除以标准差：该通道的均值变为 0，方差变为 1（因为有 ε，略小于 1）。"
                "直方图的形状不变，只是位置与宽度变了。下面是标出的那个数值。",
            )
        ],
        formulas=[
            formula(
                "x̂ = (x − μ) / √(σ² + ε) = ({x} − {mean()}) / {deviation} = {normalised}",
                x=scene.at("input"),
                mean=scene.number("mean"),
                deviation=scene.deviation,
                normalised=scene.at("normalised"),
            )
        ],
        tables=[value_table(scene, "normalised", text("x̂, standardised", "标准化后的 x̂"))],
        figures=[
            value_figure(
                scene,
                "normalised",
                text("The same values, standardised", "同样的数值，标准化之后"),
                text(
                    "The values of the first histogram, with mean 0 and variance 1.",
                    "第一张直方图中的数值，此时均值为 0、方差为 1。",
                ),
                text("x̂", "x̂"),
                [
                    mark(0.0, text("mean", "均值")),
                    mark(-1.0, text("mean − 1", "均值 − 1")),
                    mark(1.0, text("mean + 1", "均值 + 1")),
                ],
            )
        ],
    )


def _output(scene: Scene) -> dict[str, Any]:
    gamma, beta = scene.number("gamma"), scene.number("beta")
    formulas = [
        formula("γ = {gamma}   β = {beta}", gamma=gamma, beta=beta),
        formula(
            "y = γ · x̂ + β = {gamma} · {normalised()} + {beta()} = {output}",
            gamma=gamma,
            beta=beta,
            normalised=scene.at("normalised"),
            output=scene.at("output"),
        ),
    ]
    after: list[Text] = []
    if scene.is_batch:
        formulas.append(
            formula(
                "max |y − ỹ| = {difference}",
                difference=scene.found["largest_difference"]["output"],
            )
        )
        after.append(
            text(
                "The last line compares these y, computed in 64-bit numbers, with the ỹ that the "
                "layer itself gave out, in 32-bit numbers: over the channel they differ by no more "
                "than that.",
                "最后一行把这里用 64 位浮点数算出的 y 与该层自己用 32 位浮点数给出的 ỹ 相比较："
                "整个通道上的差别最大不过如此。",
            )
        )
    learnt, learnt_chinese = (
        ("these are the values that this network has learnt", "下面是这个网络学到的值")
        if scene.is_affine
        else (
            "this layer has no such weights, so that they stay so",
            "该层没有这样的权重，因此保持不变",
        )
    )
    return step(
        "output",
        text("4. γ and β, and the output", "4. γ、β 与输出"),
        [
            text(
                "Mean 0 and variance 1 need not be what the next layer wants, so each channel has "
                "two weights of its own: γ stretches it, β shifts it. Training starts with γ = 1 "
                f"and β = 0; {learnt}.",
                "均值 0、方差 1 未必是下一层所需要的，因此每个通道另有两个权重：γ 负责缩放，"
                f"β 负责平移。训练开始时 γ = 1、β = 0；{learnt_chinese}。",
            )
        ],
        formulas=formulas,
        tables=[
            value_table(scene, "output", text("y, the output of the norm", "归一化层的输出 y"))
        ],
        figures=[
            value_figure(
                scene,
                "output",
                text("What leaves the norm", "归一化层的输出"),
                text(
                    "The standardised values, stretched by γ and shifted by β.",
                    "标准化后的数值，经 γ 缩放、β 平移。",
                ),
                text("y", "y"),
                [mark(beta, text("mean: β", "均值：β"))],
            )
        ],
        after=after,
    )
