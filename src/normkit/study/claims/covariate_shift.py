"""Normalization reduces internal covariate shift."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping

from normkit.study.bilingual import Text, text
from normkit.study.claim import Axis, Claim, Finding, Plot, band
from normkit.study.context import Context, Runs, differences
from normkit.study.record import Record
from normkit.study.verdict import Effect, Verdict, paired

PROBE = ("covariate_shift",)

DELTA_COSINE = 0.05
"""Smallest difference of cosines that matters."""

DELTA_DRIFT = math.log(0.8)
"""Smallest ratio of drifts that matters: a fifth less."""


def judge(context: Context) -> Finding:
    """Cosine between a layer's gradients before and after the layers below it take a step."""
    plan, recipe = context.plan, context.recipe
    arms = plan.arms("covariate_shift")
    own = context.base_runs(arms, PROBE)
    same = context.base_runs(arms, PROBE, recipe.rates["none"])
    verdicts: list[Verdict] = []
    for norm in arms:
        if norm == "none":
            continue
        seeds = plan.seeds_of(norm)
        for id_, runs, value in (
            ("cosine", own, cosine),
            ("cosine_same_rate", same, cosine),
            ("drift", own, log_drift),
        ):
            effect = paired(differences(runs, norm, seeds, value))
            verdicts.append(_verdict(context, own[norm], norm, id_, effect))
    return Finding(verdicts, [_along_training(own, same), _by_layer(own)])


WHAT: dict[str, Text] = {
    "cosine": text(
        "Agreement of a layer's gradients before and after the layers below it take a step",
        "下方各层走一步前后，某层梯度的一致程度（余弦）",
    ),
    "cosine_same_rate": text(
        "The same, both at the best rate of `none`",
        "同上，都用 `none` 的最佳学习率",
    ),
    "drift": text(
        "Drift of a norm's inputs as the layers below take a step, in their standard deviations",
        "下方各层走一步时，归一化层输入均值的漂移（以其标准差计）",
    ),
}


def _verdict(
    context: Context, runs: Mapping[int, Record], norm: str, id_: str, effect: Effect
) -> Verdict:
    recipe = context.recipe
    drift = id_ == "drift"
    return Verdict(
        id=id_,
        what=WHAT[id_],
        norm=norm,
        primary=id_ == "cosine",
        effect=effect,
        delta=DELTA_DRIFT if drift else DELTA_COSINE,
        claimed="less" if drift else "greater",
        style="ratio" if drift else "difference",
        unit=text("with norm over without", "（有归一化 ÷ 无归一化）")
        if drift
        else text("in the cosine", "（余弦值之差）"),
        exploratory=context.plan.is_exploratory(norm),
        undecided=context.plan.no_gradient_steps
        or recipe.no_comparator
        or recipe.untrained(runs.values()),
    )


def _values(record: Record, field: str) -> list[float]:
    """What was found in all layers, at all moments."""
    return [
        value
        for moment in record.probes["covariate_shift"].values()
        for value in moment[field]
        if value is not None
    ]


def cosine(record: Record) -> float:
    """Mean over layers and training; NaN where none could be measured."""
    values = _values(record, "cosine")
    return statistics.fmean(values) if values else math.nan


def log_drift(record: Record) -> float:
    """Logarithm of the mean drift over layers and training; NaN where none was seen."""
    values = _values(record, "drift")
    mean = statistics.fmean(values) if values else math.nan
    return math.log(mean) if mean > 0 else math.nan


def _along_training(own: Runs, same: Runs) -> dict[str, object]:
    rows: list[dict[str, object]] = []
    for which, runs in (("own", own), ("same", same)):
        for norm, by_seed in runs.items():
            found: dict[int, list[float]] = {}
            for record in by_seed.values():
                for moment, values in record.probes["covariate_shift"].items():
                    kept = [value for value in values["cosine"] if value is not None]
                    if kept:
                        found.setdefault(int(moment), []).append(statistics.fmean(kept))
            rows += [
                {
                    "which": which,
                    "norm": norm,
                    "step": step,
                    **band("cosine", values),
                }
                for step, values in sorted(found.items())
            ]
    return Plot(
        id="cosine",
        title=text("Agreement of gradients, as training goes on", "训练过程中梯度的一致程度"),
        caption=text(
            "Cosine between the gradients of a layer's weights before and after the layers below "
            "it take one step; mean over layers and seeds, the band spans the seeds. One: the step "
            "below changes nothing of what the layer has to do.",
            "下方各层走一步前后，某层权重梯度之间的余弦；对层与随机种子取平均，色带为随机种子的范围。"
            "等于一表示下方的更新没有改变该层要做的事。",
        ),
        kind="lines",
        x=Axis("step", text("training step", "训练步数"), "log"),
        y=Axis("cosine", text("cosine", "余弦")),
        low="low",
        high="high",
        facet="which",
        facets={
            "own": text("own best rate", "各自的最佳学习率"),
            "same": text("best rate of `none`", "无归一化的最佳学习率"),
        },
        references=[{"axis": "y", "value": 1.0, "label": text("no shift", "没有偏移")}],
        rows=rows,
    ).to_dict()


def _by_layer(own: Runs) -> dict[str, object]:
    rows: list[dict[str, object]] = []
    for norm, by_seed in own.items():
        found: dict[int, list[float]] = {}
        for record in by_seed.values():
            for moment in record.probes["covariate_shift"].values():
                for layer, drift in zip(moment["layers"], moment["drift"], strict=True):
                    if drift:
                        found.setdefault(layer, []).append(drift)
        rows += [
            {
                "norm": norm,
                "layer": layer,
                "drift": statistics.geometric_mean(values),
                "low": min(values),
                "high": max(values),
            }
            for layer, values in sorted(found.items())
        ]
    return Plot(
        id="drift",
        title=text("Drift of the inputs ahead of the norm", "归一化之前输入的漂移"),
        caption=text(
            "How far the mean of a channel ahead of the norm moves when the layers below take one "
            "step at the arm's own best rate, in the channel's standard deviations; geometric mean "
            "over channels, seeds and moments of training, the band spans seeds and moments.",
            "下方各层以各自的最佳学习率走一步时，归一化之前各通道均值移动多远（以该通道的标准差计）；"
            "对通道、随机种子与训练时刻取几何平均，色带为随机种子与时刻的范围。",
        ),
        kind="lines",
        x=Axis("layer", text("layer", "层")),
        y=Axis("drift", text("drift, standard deviations", "漂移（标准差）"), "log"),
        low="low",
        high="high",
        rows=rows,
    ).to_dict()


CLAIM = Claim(
    id="covariate_shift",
    order=100,
    title=text("Reduces internal covariate shift", "减少内部协变量偏移"),
    textbook=text(
        "Normalization reduces internal covariate shift: what a layer has to learn no longer "
        "changes whenever the layers below it do.",
        "归一化减少内部协变量偏移：一层要学的东西不再随着它下方各层的更新而改变。",
    ),
    measured=text(
        "All through training, on a fixed batch: the gradient of a layer's weights, and the same "
        "once the layers below it have taken one gradient step at the arm's rate. Judged is the "
        "cosine between the two, averaged over layers and over moments of training (closer "
        "together at its start, evenly in the logarithm of the step) and paired by seed, each arm "
        "at its own best rate; both at the best rate of `none` stand beside it. A difference of "
        "0.05 matters. The second measure is how far such a step moves the mean of each channel "
        "ahead of the norm, in its standard deviations.",
        "在整个训练过程中、固定的一个批次上：先算某层权重的梯度，"
        "再让它下方的各层以该方法的学习率走一步，"
        "重新计算同一梯度。评判的量是两者的余弦，"
        "对层与训练中的若干时刻（按步数的对数均匀选取，训练初期更密）取平均，"
        "按随机种子配对，各用自己的最佳学习率；"
        "都用 `none` 的最佳学习率的结果列在旁边。相差 0.05 才算有意义。"
        "第二个量是这样一步使归一化之前各通道的均值移动多远（以其标准差计）。",
    ),
    contested=text(
        "This is how batch norm was first explained (Ioffe and Szegedy 2015). Santurkar et al. "
        "(2018), whose measure is used here, found that it need not reduce the shift at all, and "
        "that networks with shifting noise put in behind the norm still train well. A larger rate "
        "moves the layers below further: look at both rates.",
        "批归一化最初就是这样解释的（Ioffe 与 Szegedy，2015）。Santurkar 等（2018，"
        "本测量沿用其方法）发现它未必减少偏移，"
        "而在归一化之后加入变动噪声的网络照样训练得很好。更大的学习率使下方各层移动得更远：请同时看两种学习率。",
    ),
    advice={
        "supported": text(
            "The shift is smaller with the norm here; that alone does not say that training gains "
            "by it: see convergence.",
            "在这里有归一化时偏移更小；但这本身不说明训练因此受益：请看“加速收敛”。",
        ),
        "refuted": text(
            "Gradients agree no better with the norm here: do not choose it, or place it, for the "
            "sake of covariate shift.",
            "在这里有归一化时梯度并不更一致：不要为了协变量偏移而选择或摆放它。",
        ),
        "inconclusive": text(
            "The difference is within the spread of the seeds; nothing hangs on it.",
            "差别在随机种子的波动之内；不必以此作决定。",
        ),
    },
    judge=judge,
)
