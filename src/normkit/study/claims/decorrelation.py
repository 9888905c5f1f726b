"""Normalization lowers the correlation between features."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping

from normkit.report import formats
from normkit.study.bilingual import Text, text
from normkit.study.claim import Axis, Claim, Finding, Plot, band
from normkit.study.context import Context, Runs, differences
from normkit.study.plan import Plan
from normkit.study.record import Record
from normkit.study.verdict import Effect, Verdict, paired

PROBE = ("decorrelation",)

DELTA = -0.02
"""Smallest difference of the mean absolute correlation that matters."""

DELTA_RANK = 0.05
"""Smallest difference of the effective rank that matters, as a share of the channels."""


def judge(context: Context) -> Finding:
    """What the layer itself does to the correlation matrix; then, trained arms compared."""
    plan, recipe = context.plan, context.recipe
    arms = plan.arms("decorrelation")
    runs = context.base_runs(arms, PROBE)
    verdicts: list[Verdict] = []
    for norm in arms:
        if norm == "none":
            continue
        seeds = plan.seeds_of(norm)
        # What the layer itself does needs neither a comparator nor training.
        undecided = recipe.no_comparator or recipe.untrained(runs[norm].values())
        own = runs[norm]
        changes = paired([_change(own[s]) if s in own else math.nan for s in seeds])
        outputs, ranks = (paired(differences(runs, norm, seeds, f)) for f in (_output, _rank))
        verdicts += [
            _verdict(plan, norm, "layer", changes, note=_largest_told(runs[norm])),
            _verdict(plan, norm, "trained", outputs, undecided),
            _verdict(plan, norm, "rank", ranks, undecided),
        ]
    return Finding(verdicts, [_along_depth(runs), _before_and_after(runs)])


WHAT = {
    "layer": text(
        "Change of the mean absolute correlation from the norm's input to its output",
        "从归一化层的输入到输出，通道间平均绝对相关系数的变化",
    ),
    "trained": text(
        "Mean absolute correlation between a trained layer's channels, with norm minus without",
        "训练后各层通道间的平均绝对相关系数，有归一化 − 无归一化",
    ),
    "rank": text(
        "Effective rank of a trained layer's correlation matrix, as a share of its channels, with "
        "norm minus without",
        "训练后各层相关矩阵的有效秩（占通道数的比例），有归一化 − 无归一化",
    ),
}


def _verdict(
    plan: Plan,
    norm: str,
    id_: str,
    effect: Effect,
    undecided: Text | None = None,
    note: Text | None = None,
) -> Verdict:
    rank = id_ == "rank"
    return Verdict(
        id=id_,
        what=WHAT[id_],
        norm=norm,
        primary=not rank,
        effect=effect,
        delta=DELTA_RANK if rank else DELTA,
        claimed="greater" if rank else "less",
        style="points" if rank else "difference",
        unit=text("percentage points", "个百分点") if rank else text("", ""),
        exploratory=plan.is_exploratory(norm),
        undecided=undecided,
        note=note,
    )


def _largest_told(by_seed: Mapping[int, Record]) -> Text | None:
    changes = [_largest_change(record) for record in by_seed.values()]
    largest = max((c for c in changes if math.isfinite(c)), default=math.nan)
    if not math.isfinite(largest):
        return None
    bound = formats.number(_rounded_up(largest))
    return text(
        f"no coefficient changed by more than {bound}",
        f"任何一个相关系数的变化都不超过 {bound}",
    )


def _rounded_up(value: float) -> float:
    """To one digit, never down: what is told is a bound.

    >>> _rounded_up(0.24), _rounded_up(0.2)
    (0.3, 0.2)
    """
    if value <= 0:
        return value
    unit = 10.0 ** math.floor(math.log10(value))
    return float(f"{math.ceil(round(value / unit, 9)) * unit:.1g}")


def _found(record: Record, field: str) -> list[float]:
    """A quantity of every layer after training, layers with fewer than two channels left out."""
    found = record.probes["decorrelation"].get("end")
    return [value for value in found[field] if value is not None] if found else []


def _mean(values: Iterable[float]) -> float:
    kept = list(values)
    return statistics.fmean(kept) if kept else math.nan


def _change(record: Record) -> float:
    pairs = zip(_found(record, "before"), _found(record, "after"), strict=True)
    return _mean(after - before for before, after in pairs)


def _largest_change(record: Record) -> float:
    return max(_found(record, "largest_change"), default=math.nan)


def _output(record: Record) -> float:
    return _mean(_found(record, "output"))


def _rank(record: Record) -> float:
    return _mean(_found(record, "rank"))


def _along_depth(runs: Runs) -> dict[str, object]:
    rows: list[dict[str, object]] = []
    for norm, by_seed in runs.items():
        for moment in ("start", "end"):
            at: dict[int, list[float]] = {}
            for record in by_seed.values():
                found = record.probes["decorrelation"].get(moment)
                for layer, value in enumerate(found["output"] if found else (), start=1):
                    if value is not None:
                        at.setdefault(layer, []).append(value)
            rows += [
                {
                    "norm": norm,
                    "moment": moment,
                    "layer": layer,
                    **band("correlation", values),
                }
                for layer, values in sorted(at.items())
            ]
    return Plot(
        id="depth",
        title=text("Correlation between the channels of each layer", "各层通道之间的相关性"),
        caption=text(
            "Mean absolute correlation between the channels of a layer's output, over images and "
            "positions of the training part; mean over seeds, the band spans all.",
            "在训练图像与所有位置上，每层输出的通道之间的平均绝对相关系数；"
            "对随机种子取平均，色带为全部范围。",
        ),
        kind="lines",
        x=Axis("layer", text("layer", "层")),
        y=Axis("correlation", text("mean absolute correlation", "平均绝对相关系数")),
        low="low",
        high="high",
        facet="moment",
        facets={
            "start": text("before training", "训练前"),
            "end": text("after training", "训练后"),
        },
        rows=rows,
    ).to_dict()


def _before_and_after(runs: Runs) -> dict[str, object]:
    rows = [
        {"norm": norm, "seed": seed, "change": change if math.isfinite(change) else None}
        for norm, by_seed in runs.items()
        if norm != "none"
        for seed, record in by_seed.items()
        for change in [_change(record)]
    ]
    return Plot(
        id="change",
        title=text("What the norm itself changes", "归一化层本身的改变"),
        caption=text(
            "Mean absolute correlation of the channels behind the norm minus that ahead of it, "
            "over all layers after training. One dot per seed. Batch norm shifts and scales each "
            "channel as a whole, and a correlation does not depend on that.",
            "训练后，归一化层之后与之前通道间平均绝对相关系数之差，对所有层取平均。每点为一个随机种子。"
            "批归一化对每个通道整体平移和缩放，相关系数与此无关。",
        ),
        kind="points",
        x=Axis("norm", text("norm", "归一化方法"), "category"),
        y=Axis("change", text("change of the correlation", "相关系数的变化")),
        references=[{"axis": "y", "value": 0.0, "label": text("unchanged", "不变")}],
        rows=rows,
    ).to_dict()


CLAIM = Claim(
    id="decorrelation",
    order=140,
    title=text("Lowers the correlation between features", "降低特征之间的相关性"),
    textbook=text(
        "Normalization lowers the correlation between features.",
        "归一化降低了特征之间的相关性。",
    ),
    measured=text(
        "First what the layer itself does: the mean absolute correlation between the channels that "
        "enter a norm and between those that leave it, before γ and β, in training mode, after "
        "training; a change of 0.02 matters. Then, between trained networks: the correlation of "
        "each layer's output, and the effective rank of its correlation matrix, with the norm and "
        "without.",
        "首先看该层本身的作用：训练后、训练模式下，"
        "进入归一化层的通道之间、以及离开它（未乘 γ、加 β）的通道"
        "之间的平均绝对相关系数；变化 0.02 才算有意义。然后比较训练好的网络："
        "有无归一化时各层输出的相关性，以及其相关矩阵的有效秩。",
    ),
    contested=text(
        "As it is stated the claim is false for batch norm: shifting and scaling a channel leaves "
        "every correlation as it was. Whitening does lower it (Decorrelated BN, Huang et al. 2018; "
        "IterNorm, Huang et al. 2019). What training makes of the features is another question, "
        "answered by the second verdict.",
        "照字面说，这一说法对批归一化不成立：对一个通道平移和缩放，不会改变任何相关系数。"
        "白化才会降低相关性（Decorrelated BN，Huang 等，2018；IterNorm，Huang 等，2019）。"
        "训练使特征变成什么样是另一个问题，由第二个结论回答。",
    ),
    advice={
        "supported": text(
            "The layer itself lowers the correlation here; if that is what you want, compare it "
            "with whitening.",
            "在这里该层本身降低了相关性；如果这正是您想要的，请与白化方法比较。",
        ),
        "refuted": text(
            "The layer does not decorrelate: if correlated features are your trouble, use "
            "whitening, or fewer channels.",
            "该层并不去相关：若特征相关是您的问题，请使用白化，或减少通道数。",
        ),
        "inconclusive": text(
            "Too few channels vary, or too few seeds, to tell.",
            "有变化的通道太少，或随机种子太少，无法判断。",
        ),
    },
    judge=judge,
)
