"""Backwards through batch norm: what arrives at the output and what leaves at the input."""

from __future__ import annotations

from typing import Any

from normkit.study.bilingual import Text, text
from normkit.study.lesson.scene import Scene
from normkit.study.lesson.shown import column, formula, table, value_table
from normkit.study.lesson.shown import step as lesson_step


def step(scene: Scene) -> dict[str, Any]:
    """The fifth step."""
    found = scene.found["backward"]
    scaled = found["scaled"]
    formulas = [
        formula("h = γ · ∂L/∂y"),
        formula("∂L/∂x = ( h − E[h] − x̂ · E[h · x̂] ) / √(σ² + ε)"),
        formula(
            "= ( {h} − {mean()} − {normalised()} · {product()} ) / {deviation} = {leaving}",
            h=scene.number("gamma") * scene.at("arriving"),
            mean=scaled["mean"],
            normalised=scene.at("normalised"),
            product=scaled["product"],
            deviation=scene.deviation,
            leaving=scene.at("leaving"),
        ),
    ]
    if scene.is_batch:
        formulas.append(
            formula(
                "max |∂L/∂x − g̃| = {difference}",
                difference=scene.found["largest_difference"]["leaving"],
            )
        )
    return lesson_step(
        "backward",
        text("5. What backward sends back", "5. 反向传播传回什么"),
        [
            text(
                "Backward, the gradient ∂L/∂y arrives at the output: how the loss would change "
                "with each y. Since μ and σ² are made of all values of the channel, one x moves "
                "every y. So the norm takes two things out of the gradient, written with E for the "
                "mean over the channel: its mean, and the part of it that goes along with x̂. "
                "Shifting all values together, or stretching them together, would change nothing "
                "behind the norm, so no gradient may ask for it.",
                "反向传播时，梯度 ∂L/∂y 到达输出端：它表示损失随每个 y 如何变化。"
                "由于 μ 与 σ² 由该通道的全部数值算出，改变一个 x 会牵动每个 y。"
                "因此归一化层要从梯度中去掉两样东西（E 表示在该通道上取平均）："
                "梯度的均值，以及梯度中与 x̂ 同向的部分。"
                "把所有数值一起平移或一起缩放，归一化之后毫无变化，所以梯度不应提出这样的要求。",
            )
        ],
        formulas=formulas,
        tables=[
            value_table(
                scene,
                "arriving",
                text("∂L/∂y, which arrives at the output", "到达输出端的 ∂L/∂y"),
            ),
            value_table(
                scene, "leaving", text("∂L/∂x, which leaves at the input", "从输入端传出的 ∂L/∂x")
            ),
            _sums(scene),
        ],
        after=_after(scene),
    )


def _sums(scene: Scene) -> dict[str, Any]:
    found = scene.found["backward"]
    leaving = found["measured" if scene.is_batch else "leaving"]
    return table(
        text(
            "The gradient of the whole channel, before and after",
            "整个通道的梯度：归一化层之前与之后",
        ),
        text("gradient", "梯度"),
        [
            column(text("sum over the batch", "在批次上的和")),
            column(text("correlation with x̂", "与 x̂ 的相关系数")),
        ],
        [
            {
                "label": label,
                "image": None,
                "cells": [part["sum"], part["correlation"]],
                "marked": None,
            }
            for label, part in (
                (text("h = γ · ∂L/∂y, arriving", "到达的 h = γ · ∂L/∂y"), found["scaled"]),
                (text("∂L/∂x, leaving", "传出的 ∂L/∂x"), leaving),
            )
        ],
    )


def _after(scene: Scene) -> list[Text]:
    said = [
        text(
            "Sum and correlation leave as zero, up to the rounding of the numbers and to ε.",
            "传出时，和与相关系数都为零（只差数值的舍入与 ε）。",
        )
    ]
    if scene.is_batch:
        said += [
            text(
                "What was taken out is not lost: the sum of ∂L/∂y is the gradient of β, that of "
                "∂L/∂y · x̂ the gradient of γ, so this part of the wish goes to those two weights. "
                "Where training has brought γ and β near what the loss wants, little of it is left "
                "to take out.",
                "去掉的部分并未丢失：∂L/∂y 之和就是 β 的梯度，∂L/∂y · x̂ 之和就是 γ 的梯度，"
                "这部分要求交给了这两个权重。若训练已使 γ 与 β 接近损失所要求的值，"
                "可去掉的部分就所剩无几。",
            ),
            text(
                "The last formula compares the ∂L/∂x computed so with the g̃ that the network's own "
                "backward pass sent out: over the channel they differ by no more than that. The "
                "last table has the network's own.",
                "最后一行把这样算出的 ∂L/∂x 与网络自身反向传播传出的 g̃ 相比较："
                "整个通道上的差别最大不过如此。最后一张表所列的是网络自身的梯度。",
            ),
        ]
    return said
