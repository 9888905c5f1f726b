"""The example's claims on over-fitting, initialisation, gradients and cost."""

from __future__ import annotations

import math
import random
from typing import Any

from tests.report.example_parts import NORMS, axis, text, verdict


def overfitting() -> dict[str, Any]:
    gap = text(
        "Test minus training loss, at equal training loss",
        "训练损失相同时，测试与训练损失之差",
    )
    help_ = text("How much less dropout helps", "Dropout 的帮助减少了多少")
    nats = {
        "style": "difference",
        "claimed": "less",
        "delta": -0.02,
        "no_effect": 0.0,
        "unit": text("nats", "奈特"),
        "detectable": -0.05,
    }
    share = {"style": "points", "delta": 0.005, "no_effect": 0.0, "detectable": 0.012}
    rows = [
        {"norm": norm, "regularizer": kind, "gain": gain, "low": low, "high": high}
        for norm, kind, gain, low, high in (
            ("none", "dropout", 0.012, 0.004, 0.020),
            ("none", "l1", 0.004, -0.002, 0.010),
            ("none", "l2", 0.006, 0.001, 0.011),
            ("batch", "dropout", 0.002, -0.004, 0.008),
            ("batch", "l1", -0.003, -0.009, 0.003),
            ("batch", "l2", 0.001, -0.003, 0.005),
            ("group", "dropout", 0.005, -0.006, 0.016),
            ("group", "l1", None, None, None),
            ("group", "l2", 0.003, -0.004, None),
        )
    ]
    return {
        "id": "overfitting",
        "headline": True,
        "title": text("Less over-fitting", "减轻过拟合"),
        "textbook": text(
            "Normalization prevents over-fitting and reduces the need for dropout, L1 and L2.",
            "归一化防止过拟合，减少对 Dropout、L1、L2 的依赖。",
        ),
        "measured": text(
            "On a quarter of the training set: the gap between test and training loss at equal "
            "training loss, and how much less each regularizer helps once the norm is there.",
            "在四分之一的训练集上，比较训练损失相同时测试与训练损失之差，以及加入归一化后各正则"
            "化方法的帮助减少多少。",
        ),
        "contested": text(
            "Batch norm's regularization is batch noise; group norm fits the training set better "
            "and tests 0.5 points worse (Wu & He, 2018).",
            "批归一化的正则化来自批次噪声；组归一化训练误差更低，测试却差 0.5 个百分点（Wu 与 H"
            "e，2018）。",
        ),
        "advice": text(
            "Do not drop your regularizers because of a norm: measure first.",
            "不要因为加了归一化就去掉正则化，先测量。",
        ),
        "verdicts": [
            verdict(
                "gap", gap, "batch", "refuted", (0.01, -0.012, 0.032), confidence=0.975, **nats
            ),
            verdict("gap", gap, "layer", "inconclusive", (-0.03, -0.09, 0.03), **nats),
            verdict("gap", gap, "instance", "refuted", (0.11, 0.02, 0.2), **nats),
            verdict("gap", gap, "group", "inconclusive", (-0.02, -0.08, 0.04), **nats),
            verdict("regularizers", help_, "batch", "inconclusive", (0.01, -0.002, 0.022), **share),
            verdict("regularizers", help_, "group", "inconclusive", (0.007, -0.03, 0.05), **share),
        ],
        "figures": [
            {
                "id": "regularizers",
                "title": text("What a regularizer adds", "正则化带来的增益"),
                "caption": text(
                    "Gain in test accuracy from each regularizer, with and without a norm.",
                    "有无归一化时，各正则化方法在测试准确率上的增益。",
                ),
                "kind": "intervals",
                "x": axis("regularizer", "Regularizer", "正则化", "category"),
                "y": axis("gain", "Gain in test accuracy", "测试准确率增益"),
                "series": "norm",
                "facet": None,
                "facets": {},
                "low": "low",
                "high": "high",
                "references": [
                    {"axis": "y", "value": 0.0, "label": text("no effect", "无效应")},
                    {"axis": "y", "value": 0.005, "label": text("δ", "δ")},
                ],
                "rows": rows,
            }
        ],
    }


def initialisation() -> dict[str, Any]:
    what = text("Share of initialisations that train: gain", "能训练的初始化比例：增量")
    share = {"style": "points", "delta": 0.2, "no_effect": 0.0, "detectable": 0.15}
    inits = ("he", "xavier", "lecun", "orthogonal", "default")
    inits += ("gain_0.01", "gain_0.1", "gain_1", "gain_10", "gain_100")
    rates = {
        "none": (1, 0.875, 0.25, 1, 0, 0, 0, 1, 0, 0),
        "batch": (1, 1, 1, 1, 1, 1, 1, 1, 1, 0.75),
        "layer": (1, 1, 1, 1, 1, 0.667, 1, 1, 0.667, 0.333),
        "instance": (1, 0.667, 0.333, 1, 0.333, 0, 0.333, 1, 0.333, None),
        "group": (1, 1, 1, 1, 1, 0.667, 1, 1, 1, 0.333),
    }
    rows = [
        {"norm": norm, "init": init, "tuned": tuned, "share": share_}
        for tuned in ("base", "own")
        for norm in NORMS
        for init, share_ in zip(inits, rates[norm], strict=True)
    ]
    return {
        "id": "initialisation",
        "headline": True,
        "title": text("Insensitive to initial weights", "对初始权重不敏感"),
        "textbook": text(
            "With normalization a network depends less on its initial weights.",
            "有了归一化，网络对初始权重的依赖减少。",
        ),
        "measured": text(
            "The share of initialisation × seed that trains, at the norm's base rate, and again "
            "with the rate tuned for each initialisation.",
            "统计「初始化 × 种子」中能训练的比例：先用该归一化的基准学习率，再对每种初始化单独"
            "调学习率。",
        ),
        "contested": text(
            "Careful initialisation alone does it (Fixup, 2019; LSUV).",
            "仅靠精心的初始化也能做到（Fixup，2019；LSUV）。",
        ),
        "advice": text(
            "If you cannot control the initial weights, use batch or group norm.",
            "若无法控制初始权重，使用批归一化或组归一化。",
        ),
        "verdicts": [
            verdict("share", what, "batch", "supported", (0.56, 0.44, 0.68), **share),
            verdict("share", what, "layer", "supported", (0.45, 0.24, 0.66), **share),
            verdict("share", what, "instance", "inconclusive", (0.09, -0.1, 0.28), **share),
            verdict("share", what, "group", "supported", (0.49, 0.29, 0.69), **share),
        ],
        "figures": [
            {
                "id": "shares",
                "title": text("Which initialisations train", "哪些初始化能训练"),
                "caption": text(
                    "Share of seeds that train, in percent.", "能训练的种子所占比例（%）。"
                ),
                "kind": "heat",
                "x": axis("init", "Initialisation", "初始化", "category"),
                "y": axis("norm", "Norm", "归一化"),
                "series": None,
                "facet": "tuned",
                "facets": {
                    "base": text("At the base rate", "基准学习率"),
                    "own": text("Rate tuned for each", "分别调学习率"),
                },
                "value": {
                    "field": "share",
                    "label": text("Share that trains", "能训练的比例"),
                    "format": "percent",
                },
                "references": [],
                "rows": rows,
            }
        ],
    }


def gradients() -> dict[str, Any]:
    what = text("Slope of the gradient norm over depth", "梯度范数随深度的斜率")
    flat = {
        "claimed": "less",
        "style": "ratio",
        "delta": 0.8,
        "unit": text("of the slope without", "倍于不用归一化时的斜率"),
        "detectable": 0.85,
    }
    rows = []
    slope = {"none": -0.42, "batch": 0.17, "layer": 0.02, "instance": 0.05, "group": 0.04}
    for depth in (8, 16, 32):
        for norm in NORMS:
            for layer in range(1, depth + 1, max(1, depth // 8)):
                value = math.exp(slope[norm] * (depth - layer)) * 0.05
                rows.append({"norm": norm, "depth": depth, "layer": layer, "gradient": value})
    rows[3]["gradient"] = 0.0
    return {
        "id": "gradients",
        "headline": False,
        "title": text("No vanishing or exploding gradients", "防止梯度消失或梯度爆炸"),
        "textbook": text(
            "Normalization keeps gradients from vanishing or exploding.",
            "归一化防止梯度消失或梯度爆炸。",
        ),
        "measured": text(
            "Slope over depth of the log norm of the gradient with respect to layer outputs, at "
            "initialisation, over a sweep of depths.",
            "在初始化时，于多种深度上测各层输出梯度范数的对数随深度的斜率。",
        ),
        "contested": text(
            "Yang et al. (2019): deep plain networks with batch norm explode at initialisation, by "
            "about 1.467 in square per fully connected layer.",
            "Yang 等（2019）：带批归一化的深层普通网络在初始化时梯度爆炸，每个全连接层约为平方"
            "的 1.467 倍。",
        ),
        "advice": text(
            "Beyond about 30 plain layers add skip connections: a norm alone does not do.",
            "普通层超过约 30 层时应加残差连接，仅靠归一化不够。",
        ),
        "verdicts": [
            verdict("slope", what, "batch", "supported", (0.4, 0.35, 0.46), **flat),
            verdict("slope", what, "layer", "supported", (0.05, 0.02, 0.13), **flat),
            verdict("slope", what, "instance", "supported", (0.12, 0.04, 0.36), **flat),
            verdict("slope", what, "group", "inconclusive", (0.1, 0.01, 0.95), **flat),
        ],
        "figures": [
            {
                "id": "depth",
                "title": text("Gradient norm by layer", "各层的梯度范数"),
                "caption": text(
                    "Norm of the gradient with respect to each layer's output, at initialisation.",
                    "初始化时，各层输出的梯度范数。",
                ),
                "kind": "lines",
                "x": axis("layer", "Layer", "层"),
                "y": axis("gradient", "Gradient norm", "梯度范数", "log"),
                "series": "norm",
                "facet": "depth",
                "facets": {
                    "8": text("8 layers", "8 层"),
                    "16": text("16 layers", "16 层"),
                    "32": text("32 layers", "32 层"),
                },
                "references": [],
                "rows": rows,
            }
        ],
    }


def cost() -> dict[str, Any]:
    what = text("Time per step: ratio", "每步时间之比")
    less = {"claimed": "less", "delta": 1.0, "detectable": 1.02}
    times = {"none": 4.7, "batch": 6.1, "layer": 6.4, "instance": 6.6, "group": 6.5}
    seeds = random.Random(3)
    rows = [
        {"norm": norm, "batch_size": size, "seed": seed, "milliseconds": round(value, 4)}
        for norm in NORMS
        for size in (16, 64, 256)
        for seed in range(5)
        for value in [times[norm] * (size / 64) ** 0.8 * seeds.uniform(0.97, 1.04)]
    ]
    return {
        "id": "cost",
        "headline": False,
        "title": text("Less training time", "减少训练时间"),
        "textbook": text("Normalization shortens training time.", "归一化减少训练时间。"),
        "measured": text(
            "Seconds per step with nothing else running, and bytes held for the backward pass.",
            "无其他负载时的每步用时，以及为反向传播保留的字节数。",
        ),
        "contested": text("Only time to target settles it.", "只有到达目标的总时间才说明问题。"),
        "advice": text(
            "Expect a third more per step; weigh it against fewer steps.",
            "每步约多三分之一的时间，需与减少的步数权衡。",
        ),
        "verdicts": [
            verdict("step", what, "batch", "refuted", (1.3, 1.27, 1.33), **less),
            verdict("step", what, "layer", "refuted", (1.36, 1.28, 1.44), **less),
            verdict("step", what, "instance", "refuted", (1.4, 1.3, 1.51), **less),
            verdict("step", what, "group", "refuted", (1.38, 1.29, 1.47), **less),
        ],
        "figures": [
            {
                "id": "times",
                "title": text("Time per step", "每步时间"),
                "caption": text("Uncontended, forward and backward.", "无争用，含前向与反向。"),
                "kind": "points",
                "x": axis("batch_size", "Batch size", "批大小", "log"),
                "y": axis("milliseconds", "Milliseconds", "毫秒", "log"),
                "series": "norm",
                "facet": None,
                "facets": {},
                "references": [],
                "rows": rows,
            }
        ],
    }
