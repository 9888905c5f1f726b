"""The example's claims on standardisation, convergence and learning rates."""

from __future__ import annotations

import math
import random
from typing import Any

from tests.report.example_parts import NORMS, axis, text, verdict


def standardise() -> dict[str, Any]:
    what = text(
        "Largest distance of mean from 0 and variance from 1",
        "均值与 0、方差与 1 的最大偏差",
    )
    exact = {"claimed": "equal", "style": "value", "delta": 1e-3, "no_effect": 0.0}
    rows = []
    for stage, middle, width in (("before", 1.4, 2.2), ("after", 0.0, 1.0)):
        for norm in ("batch", "layer"):
            shift = 0.3 if norm == "layer" else 0.0
            for index in range(41):
                x = -4 + 0.25 * index
                height = math.exp(-((x - middle - shift) ** 2) / (2 * width**2)) / width
                rows.append(
                    {"norm": norm, "stage": stage, "value": x, "density": round(0.4 * height, 5)}
                )
    return {
        "id": "standardise",
        "headline": False,
        "title": text("Zero mean, unit variance", "零均值、单位方差"),
        "textbook": text(
            "For each feature, subtract the mean over the batch and divide by the standard "
            "deviation: the mean is then close to 0 and the variance close to 1.",
            "对每个特征维度，减去批内均值再除以标准差，使均值接近 0、方差接近 1。",
        ),
        "measured": text(
            "Mean and variance of a layer's values over the norm's own axes, before γ and β, in "
            "training mode; channels with a variance far below eps are left out.",
            "在训练模式下，于 γ、β 之前，沿归一化自身的轴计算某层数值的均值与方差；方差远小于 e"
            "ps 的通道不计。",
        ),
        "contested": text(
            "Each method standardises over its own axes. In evaluation, batch norm does so only on "
            "average.",
            "各方法沿各自的轴标准化。评估模式下，批归一化只在平均意义上成立。",
        ),
        "advice": text(
            "Take it as given; look instead at what follows from it.",
            "此点可视为既定，更应关注由此带来的结果。",
        ),
        "verdicts": [
            verdict("identity", what, "batch", "supported", (3e-6, 1e-6, 6e-6), **exact),
            verdict("identity", what, "layer", "supported", (4e-6, 2e-6, 7e-6), **exact),
            verdict("identity", what, "instance", "supported", (9e-6, 4e-6, 2e-5), **exact),
            verdict("identity", what, "group", "supported", (5e-6, 2e-6, 8e-6), **exact),
        ],
        "figures": [
            {
                "id": "values",
                "title": text("A layer's values, before and after", "某层数值，归一化前后"),
                "caption": text(
                    "Values entering and leaving the fourth norm, on one batch. After it, each "
                    "norm "
                    "is centred at 0 with spread 1.",
                    "第四个归一化层在一个批次上的输入与输出。经过之后，均以 0 为中心、离散度为 1。",
                ),
                "kind": "histogram",
                "x": axis("value", "Value", "数值"),
                "y": axis("density", "Density", "密度"),
                "series": "norm",
                "facet": "stage",
                "facets": {
                    "before": text("Before `batch`", "`batch` 之前"),
                    "after": text("After `batch`", "`batch` 之后"),
                },
                "references": [{"axis": "x", "value": 0.0, "label": text("zero", "零点")}],
                "rows": rows,
            }
        ],
    }


def convergence() -> dict[str, Any]:
    steps = text("Steps to the common target: ratio", "到达共同目标的步数之比")
    seconds = text("Seconds to the common target: ratio", "到达共同目标的时间之比")
    same = text("The same, both at the rate of none", "同上，但都用 none 的学习率")
    speed = {"none": 60.0, "batch": 18.0, "layer": 27.0, "instance": 90.0, "group": 24.0}
    rows = []
    for norm in NORMS:
        for step in range(0, 201, 4):
            loss = 2.3 * math.exp(-step / speed[norm]) + 0.01
            gone = norm == "instance" and step > 160
            rows.append(
                {
                    "norm": norm,
                    "step": step,
                    "training_loss": None if gone else round(loss, 5),
                    "low": None if gone else round(loss * 0.85, 5),
                    "high": None if gone else round(loss * 1.2, 5),
                }
            )
    seeds = random.Random(7)
    reached = []
    for norm in NORMS:
        for seed in range(8 if norm in ("none", "batch") else 3):
            value = round(1.6 * speed[norm] * seeds.uniform(0.85, 1.18))
            reached.append(
                {"norm": norm, "seed": seed, "steps": None if norm == "instance" else value}
            )
    never = text(
        "`instance` never reached the target in 2 of 3 seeds.",
        "`instance` 在 3 个种子中有 2 个从未到达目标。",
    )
    return {
        "id": "convergence",
        "headline": True,
        "title": text("Faster convergence", "加快收敛"),
        "textbook": text(
            "Normalization speeds up convergence and shortens training.",
            "归一化加速收敛，缩短训练时间。",
        ),
        "measured": text(
            "Steps to a common training loss, each norm at its own best rate, as a ratio to the "
            "network without normalization, paired by seed. The same in seconds.",
            "各归一化用自己的最佳学习率，测到达共同训练损失所需步数，与不用归一化者按种子配对求"
            "比；再以秒计一次。",
        ),
        "contested": text(
            "Bjorck et al. (2018): the gain is the larger learning rate. De & Smith (2020): it is "
            "small at small batch.",
            "Bjorck 等（2018）：增益来自更大的学习率。De 与 Smith（2020）：小批量时增益很小。",
        ),
        "advice": text(
            "Use batch norm and raise the learning rate with it: at the old rate the gain is "
            "small.",
            "使用批归一化，并同时调大学习率：沿用旧学习率时收益很小。",
        ),
        "verdicts": [
            verdict(
                "steps", steps, "batch", "supported", (3.1, 2.5, 3.9), detectable=1.3,
                confidence=1 - 0.05 / 3,
            ),
            verdict("steps", steps, "layer", "supported", (2.2, 1.4, 3.4), detectable=1.7),
            verdict("steps", steps, "instance", "inconclusive", (None, None, 1.9), note=never),
            verdict("steps", steps, "group", "supported", (2.4, 1.5, 3.8), detectable=1.6),
            verdict("seconds", seconds, "batch", "supported", (2.4, 1.9, 3.0), detectable=1.3),
            verdict("seconds", seconds, "layer", "inconclusive", (1.6, 1.0, 2.6), detectable=1.7),
            verdict("seconds", seconds, "instance", "inconclusive", (None, None, None), note=never),
            verdict("seconds", seconds, "group", "inconclusive", (1.7, 1.1, 2.7), detectable=1.6),
            verdict(
                "same_rate", same, "batch", "refuted", (1.05, 0.9, 1.22), detectable=1.2,
                primary=False,
            ),
        ],
        "figures": [
            {
                "id": "curves",
                "title": text("Training loss by step", "训练损失随步数的变化"),
                "caption": text(
                    "Median over seeds, each norm at its own best rate.",
                    "各归一化用各自的最佳学习率，取种子间的中位数。",
                ),
                "kind": "lines",
                "x": axis("step", "Step", "步数"),
                "y": axis("training_loss", "Training loss", "训练损失", "log"),
                "series": "norm",
                "facet": None,
                "facets": {},
                "low": "low",
                "high": "high",
                "references": [
                    {"axis": "y", "value": 0.23, "label": text("target", "目标")},
                    {"axis": "y", "value": 2.303, "label": text("chance", "随机水平")},
                ],
                "rows": rows,
            },
            {
                "id": "steps",
                "title": text("Steps to the target", "到达目标的步数"),
                "caption": text("One mark per seed.", "每个标记为一个种子。"),
                "kind": "points",
                "x": axis("norm", "Norm", "归一化", "category"),
                "y": axis("steps", "Steps", "步数", "log"),
                "series": "norm",
                "facet": None,
                "facets": {},
                "references": [],
                "rows": reached,
            },
        ],
    }  # fmt: skip


def learning_rate() -> dict[str, Any]:
    what = text("Largest rate that trains: factor", "能训练的最大学习率：倍数")
    log = {
        "style": "log10",
        "delta": 0.3,
        "no_effect": 0.0,
        "unit": text("decades", "个数量级"),
        "detectable": 0.25,
    }
    rows = []
    for norm in NORMS:
        best = {"none": -1.3, "batch": -0.2, "layer": -0.7, "instance": -0.9, "group": -0.6}[norm]
        for index in range(9):
            rate = 10 ** (-3 + 0.5 * index)
            drop = 1 / (1 + math.exp(9 * (math.log10(rate) - best)))
            for seed in range(3):
                accuracy = 0.1 + 0.87 * drop * (0.98 + 0.01 * seed)
                rows.append(
                    {"norm": norm, "rate": round(rate, 6), "seed": seed, "accuracy": accuracy}
                )
    return {
        "id": "learning_rate",
        "headline": False,
        "title": text("Larger learning rates", "更大的学习率"),
        "textbook": text(
            "Larger learning rates can be used without collapse.",
            "可以使用较大的学习率而不至于崩溃。",
        ),
        "measured": text(
            "Per seed, the largest rate at which the network trains, on a grid of half decades.",
            "对每个种子，在半个数量级的网格上找出仍能训练的最大学习率。",
        ),
        "contested": text("As for convergence.", "与收敛一节相同。"),
        "advice": text("Tune the rate anew after adding a norm.", "加入归一化后应重新调学习率。"),
        "verdicts": [
            verdict("largest", what, "batch", "supported", (1.1, 0.8, 1.4), **log),
            verdict("largest", what, "layer", "supported", (0.6, 0.34, 0.86), **log),
            verdict("largest", what, "instance", "inconclusive", (0.4, 0.1, 0.7), **log),
            verdict("largest", what, "group", "supported", (0.7, 0.4, 1.0), **log),
        ],
        "figures": [
            {
                "id": "rates",
                "title": text("Training accuracy by learning rate", "训练准确率随学习率的变化"),
                "caption": text("Accuracy after 200 steps.", "训练 200 步后的准确率。"),
                "kind": "lines",
                "x": axis("rate", "Learning rate", "学习率", "log"),
                "y": axis("accuracy", "Accuracy", "准确率"),
                "series": "norm",
                "facet": None,
                "facets": {},
                "references": [
                    {"axis": "y", "value": 0.545, "label": text("counts as training", "视为能训练")}
                ],
                "rows": rows,
            }
        ],
    }
