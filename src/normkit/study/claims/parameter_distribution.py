"""Normalization limits each layer's parameters and lowers the model's complexity."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping

from normkit.study.bilingual import Text, text
from normkit.study.claim import Axis, Claim, Finding, Plot, band
from normkit.study.context import Context, Runs, differences
from normkit.study.record import Record
from normkit.study.verdict import Effect, Verdict, paired

PROBE = ("parameter_distribution",)

DELTA_GROWTH = math.log(0.95)
"""Smallest ratio of growths that matters: five per cent less."""

DELTA_COMPLEXITY = -math.log10(2)
"""Smallest ratio of the products of spectral norms that matters: half."""


def judge(context: Context) -> Finding:
    """Growth of the weights' norm over training, the norm over "none", by seed."""
    plan, recipe = context.plan, context.recipe
    arms = plan.arms("parameter_distribution")
    own = context.base_runs(arms, PROBE)
    same = context.base_runs(arms, PROBE, recipe.rates["none"])
    verdicts: list[Verdict] = []
    for norm in arms:
        if norm == "none":
            continue
        seeds = plan.seeds_of(norm)
        for id_, runs, value in (
            ("growth", own, growth),
            ("growth_same_rate", same, growth),
            ("spread", own, spread),
        ):
            effect = paired(differences(runs, norm, seeds, value))
            verdicts.append(_verdict(context, own[norm], norm, id_, effect))
        complexities = differences(own, norm, seeds, complexity)
        # Without running statistics there is nothing to fold: not missing, but not defined.
        if any(map(math.isfinite, complexities)):
            verdicts.append(_verdict(context, own[norm], norm, "complexity", paired(complexities)))
    return Finding(verdicts, [_by_layer(own)])


WHAT: dict[str, Text] = {
    "growth": text(
        "Growth of the weights over training, each at its own best rate",
        "训练中权重范数的增长（各用自己的最佳学习率）",
    ),
    "growth_same_rate": text(
        "Growth of the weights over training, both at the best rate of `none`",
        "训练中权重范数的增长（都用 `none` 的最佳学习率）",
    ),
    "spread": text(
        "Change of the weights' spread over training, up or down",
        "训练中权重离散程度的变化（不计增减）",
    ),
    "complexity": text(
        "Product of the layers' spectral norms after training, norms folded in",
        "训练后各层谱范数之积（归一化已折叠）",
    ),
}


def _verdict(
    context: Context, runs: Mapping[int, Record], norm: str, id_: str, effect: Effect
) -> Verdict:
    recipe = context.recipe
    complex_ = id_ == "complexity"
    return Verdict(
        id=id_,
        what=WHAT[id_],
        norm=norm,
        primary=id_ == "growth",
        effect=effect,
        delta=DELTA_COMPLEXITY if complex_ else DELTA_GROWTH,
        claimed="less",
        style="log10" if complex_ else "ratio",
        unit=text("with norm over without", "（有归一化 ÷ 无归一化）"),
        exploratory=context.plan.is_exploratory(norm),
        undecided=recipe.no_comparator or recipe.untrained(runs.values()),
    )


def changes(record: Record, field: str) -> list[float]:
    """Logarithm of a quantity after training over that before it, of each layer.

    None where one of the two is missing, or the network did not call the same layers in both.
    """
    found = record.probes["parameter_distribution"]
    before, after = (found.get(moment, {}).get(field, []) for moment in ("start", "end"))
    if len(before) != len(after):
        return []
    return [math.log(b / a) for a, b in zip(before, after, strict=True) if a and b]


def growth(record: Record) -> float:
    """Mean over layers of the logarithm of ‖W‖ after training over that before it."""
    found = changes(record, "norm")
    return statistics.fmean(found) if found else math.nan


def spread(record: Record) -> float:
    """Mean over layers of how far the weights' deviation changes, in either direction."""
    found = changes(record, "deviation")
    return statistics.fmean(map(abs, found)) if found else math.nan


def complexity(record: Record) -> float:
    """log10 of the product of all layers' spectral norms; NaN where a norm cannot be folded."""
    found = record.probes["parameter_distribution"].get("end", {}).get("spectral_norm", ())
    if not found or any(not value for value in found):
        return math.nan
    return math.fsum(math.log10(value) for value in found)


def _by_layer(own: Runs) -> dict[str, object]:
    rows: list[dict[str, object]] = []
    for norm, by_seed in own.items():
        found: dict[int, list[float]] = {}
        for record in by_seed.values():
            for layer, change in enumerate(changes(record, "norm"), start=1):
                found.setdefault(layer, []).append(math.exp(change))
        rows += [
            {
                "norm": norm,
                "layer": layer,
                **band("growth", values, statistics.geometric_mean),
            }
            for layer, values in sorted(found.items())
        ]
    return Plot(
        id="growth",
        title=text("How the weights of each layer grow", "各层权重的增长"),
        caption=text(
            "Frobenius norm of a layer's weights after training over that before it, each norm at "
            "its own best rate; geometric mean over seeds, the band spans all.",
            "训练后与训练前各层权重 Frobenius 范数之比，各用自己的最佳学习率；"
            "对随机种子取几何平均，色带为全部范围。",
        ),
        kind="lines",
        x=Axis("layer", text("layer", "层")),
        y=Axis("growth", text("‖W‖ after over before", "训练后 ‖W‖ ÷ 训练前")),
        low="low",
        high="high",
        references=[{"axis": "y", "value": 1.0, "label": text("unchanged", "不变")}],
        rows=rows,
    ).to_dict()


CLAIM = Claim(
    id="parameter_distribution",
    order=110,
    title=text("Keeps the parameters small", "限制各层的参数分布"),
    textbook=text(
        "Normalization limits the distribution of each layer's parameters, and so lowers the "
        "model's complexity.",
        "归一化限制了各层的参数分布，从而降低模型复杂度。",
    ),
    measured=text(
        "The Frobenius norm of every hidden layer's weights after training over that before it; "
        "judged is how much more or less they grow with the norm, paired by seed, each arm at its "
        "own best rate; five per cent less matters. Beside it: both at the best rate of `none`; "
        "how far the spread of the weights within a layer changes; and, for norms that evaluation "
        "folds into the convolution, the product of all layers' spectral norms, the classifier's "
        "among them, which bounds how far a plain network can stretch a difference between two "
        "inputs: half of it matters.",
        "每个隐藏层的权重在训练后与训练前的 Frobenius 范数之比；"
        "评判的量是有归一化时权重多增长或少增长多少，"
        "按随机种子配对，各用自己的最佳学习率；至少少 5 % 才算有意义。"
        "旁边列出：都用 `none` 的最佳学习率；"
        "层内权重离散程度的变化；以及对评估时可折叠进卷积的方法，"
        "所有层（包括分类层）的谱范数之积，"
        "它限定了普通网络最多能把两个输入的差别放大多少：至少减半才算有意义。",
    ),
    contested=text(
        "Under batch norm the scale of the weights does not matter to the function, and gradients "
        "are at right angles to them, so that they can only grow (van Laarhoven 2017); the larger "
        "the rate, the more. The size of such weights says nothing of complexity; that of the "
        "folded network says more, as a bound.",
        "在批归一化下，权重的尺度不影响函数，梯度与权重正交，因此权重只会增长"
        "（van Laarhoven，2017），学习率越大增长越多。这种权重的大小与复杂度无关；"
        "折叠后网络的谱范数之积作为上界更能说明问题。",
    ),
    advice={
        "supported": text(
            "The weights grow less with the norm here: weight decay has less to hold back.",
            "在这里有归一化时权重增长更少：权重衰减需要抑制的也更少。",
        ),
        "refuted": text(
            "The norm does not keep weights small here. Under it weight decay acts on the "
            "effective learning rate: tune the two together.",
            "在这里它并不使权重保持较小。有归一化时，权重衰减实际作用于有效学习率：请将两者一起调。",
        ),
        "inconclusive": text(
            "No clear difference: let nothing hang on it.",
            "没有明显差别：不必以此作决定。",
        ),
    },
    judge=judge,
)
