"""A normalization layer gives each feature zero mean and unit variance."""

from __future__ import annotations

import math

from normkit.nn.catalogue import catalogue
from normkit.study.bilingual import Text, text
from normkit.study.claim import Axis, Claim, Finding, Plot
from normkit.study.context import Context
from normkit.study.record import Record
from normkit.study.verdict import Verdict, exact

TOLERANCE = 0.01
"""Largest deviation of a mean from zero, or of a variance from one, that counts as equal."""


def judge(context: Context) -> Finding:
    """Worst deviation of mean and variance over the norm's own axes: an identity."""
    plan = context.plan
    arms = plan.arms("standardise")
    runs = context.base_runs(arms, ("standardise",))
    verdicts = []
    for norm in arms:
        if norm == "none":
            continue
        found = [deviation(record) for record in runs[norm].values()]
        worst = [value for value in found if math.isfinite(value)]
        value = max(worst, default=math.nan)
        verdicts.append(
            Verdict(
                id="identity",
                what=text(
                    "Largest deviation from mean 0 and variance 1, over the norm's own axes",
                    "在该方法自己的轴上，与均值 0、方差 1 的最大偏差",
                ),
                norm=norm,
                primary=True,
                effect=exact(value, len(worst), len(plan.seeds_of(norm)) - len(worst)),
                delta=TOLERANCE,
                claimed="equal",
                style="value",
                unit=text("", ""),
                exploratory=plan.is_exploratory(norm),
                undecided=_no_sets(norm),
                note=text(
                    f"{_left_out(runs[norm])} groups with hardly any variance were left out",
                    f"略去了 {_left_out(runs[norm])} 组方差几乎为零的数值",
                )
                if _left_out(runs[norm])
                else None,
            )
        )
    return Finding(verdicts, [_histograms(runs)])


def _no_sets(norm: str) -> Text | None:
    """Told of a norm that brings no set of values to mean 0 and variance 1."""
    method = catalogue().get(norm)
    if method is None or method.standardises is not None:
        return None
    return text(
        f"{method.title} does not bring a set of values to mean 0 and variance 1",
        f"`{norm}` 并不把某一组数值变为均值 0、方差 1",
    )


def deviation(record: Record) -> float:
    """The largest deviation found in any layer, before and after training."""
    found = record.probes["standardise"].values()
    values = [
        abs(value - ideal)
        for moment in found
        for name, ideal in (("worst_mean", 0), ("lowest_variance", 1), ("highest_variance", 1))
        if (value := moment[name]) is not None
    ]
    return max(values, default=math.nan)


def _left_out(runs: dict[int, Record]) -> int:
    return sum(m["left_out"] for r in runs.values() for m in r.probes["standardise"].values())


def _histograms(runs: dict[str, dict[int, Record]]) -> dict[str, object]:
    """One channel's values in the middle layer, as they enter the norm and as they leave it."""
    rows: list[dict[str, object]] = []
    for norm, by_seed in runs.items():
        record = next(iter(by_seed.values()), None)
        shown = record.probes["standardise"].get("end", {}).get("shown") if record else None
        if not shown or norm == "none":
            continue
        for which in ("before", "after"):
            low, high, shares = (shown[which][name] for name in ("low", "high", "shares"))
            rows += [
                {
                    "norm": norm,
                    "which": which,
                    "value": low + (high - low) * (i + 0.5) / len(shares),
                    "share": 100 * share,
                }
                for i, share in enumerate(shares)
            ]
    facets = {
        "before": text("as they enter the norm", "进入归一化之前"),
        "after": text("after it, before γ and β", "归一化之后（未乘 γ、加 β）"),
    }
    return Plot(
        id="histogram",
        title=text("One channel's values, before and after", "一个通道的数值：归一化前后"),
        caption=text(
            "The channel with the largest variance in the middle layer after training, on a "
            "batch of the study's own images. The bins of each norm divide its own range into 41; "
            "half a per cent on either side is left out. Batch norm centres this channel itself; "
            "norms with other axes centre a sample or a position, not the channel.",
            "训练后网络中间层里方差最大的通道，取自本次实验的一批图像。"
            "各方法各自的取值范围等分为 41 个区间，两端各略去 0.5 %。"
            "批归一化使这个通道本身居中；其他方法居中的是单个样本或位置，而不是这个通道。",
        ),
        kind="histogram",
        x=Axis("value", text("value", "数值")),
        y=Axis("share", text("share of the values per bin, %", "各区间所占比例（%）")),
        facet="which",
        facets=facets,
        rows=rows,
    ).to_dict()


CLAIM = Claim(
    id="standardise",
    order=10,
    title=text("Zero mean and unit variance", "均值为零、方差为一"),
    textbook=text(
        "For each feature, over the batch, subtract the mean and divide by the standard deviation: "
        "the mean comes near 0, the variance near 1.",
        "对每个特征维度，在批次上减去均值、除以标准差，使均值接近 0、方差接近 1。",
    ),
    measured=text(
        "An identity, so a tolerance and no test: every norm layer's output before γ and β, in "
        "training mode, before and after training. Mean and variance are taken over the axes that "
        "the norm itself uses. The largest deviation may be 0.01; groups whose variance is not "
        "well above eps are left out.",
        "这是恒等式，因此用容差而非检验：在训练模式下，"
        "训练前后，测量每个归一化层在乘 γ、加 β 之前的输出。"
        "均值与方差沿该方法自己的轴计算。最大偏差不得超过 0.01；方差与 eps 相比不够大的组略去。",
    ),
    contested=text(
        "Each method standardises over its own axes: only batch norm does it per feature over the "
        "batch. RMS norm does not centre at all. In evaluation batch norm uses running statistics, "
        "so that there it holds on average only.",
        "各方法沿各自的轴标准化：只有批归一化是对每个特征、在批次上进行。RMS 归一化根本不居中。"
        "评估时批归一化使用滑动统计量，因此只在平均意义上成立。",
    ),
    advice={
        "supported": text(
            "The layer does what it says; look at the running statistics if evaluation differs "
            "from training.",
            "该层名副其实；若评估与训练表现不同，请检查滑动统计量。",
        ),
        "refuted": text(
            "The layer does not standardise in this sense: check which axes it uses, and eps "
            "against the variance of its input.",
            "该层并不在此意义上标准化：请检查它使用哪些轴，以及 eps 相对输入方差的大小。",
        ),
        "inconclusive": text(
            "No layer had enough variance to look at: check the scale of the input.",
            "没有任何一层的方差足以测量：请检查输入的尺度。",
        ),
    },
    judge=judge,
)
