"""Normalization allows larger learning rates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from normkit.study.bilingual import text
from normkit.study.claim import Axis, Claim, Finding, Plot, band
from normkit.study.context import Context
from normkit.study.tuning import half_decade
from normkit.study.verdict import Effect, Verdict, paired, widened

DELTA = math.log10(2)
"""Smallest difference that matters: twice the rate."""

STEP = 0.5
"""log10 of a step of the grid."""

LARGEST = 30.0
SMALLEST = 1e-4


def largest_rates(context: Context) -> dict[tuple[str, int], float]:
    """For each norm and seed, the largest rate up to which the network trains.

    From the norm's best rate upwards in half-decades until a run fails to train, or downwards
    until one does. All arms and seeds climb together, so that the workers are kept busy.
    """
    plan, recipe = context.plan, context.recipe
    climbing = {
        (norm, seed): recipe.rates[norm]
        for norm in plan.arms("learning_rate")
        for seed in plan.seeds_of(norm)
    }
    first = True
    found: dict[tuple[str, int], float] = {}
    direction: dict[tuple[str, int], int] = {}
    while climbing:
        specs = [context.base(norm, seed, rate) for (norm, seed), rate in climbing.items()]
        records = dict(zip(list(climbing), context.need(specs), strict=True))
        for arm, record in records.items():
            rate = climbing[arm]
            trains = recipe.trains(record)
            if record is None:
                # A trial that failed says nothing of its rate: the seed has no pair.
                found[arm] = math.nan
                continue
            if first:
                direction[arm] = 1 if trains else -1
            if trains and (direction[arm] < 0 or rate >= LARGEST):
                found[arm] = rate
            elif not trains and (direction[arm] > 0 or rate <= SMALLEST):
                found[arm] = half_decade(rate, -1)
            else:
                climbing[arm] = half_decade(rate, direction[arm])
        climbing = {arm: rate for arm, rate in climbing.items() if arm not in found}
        first = False
    return found


def difference(largest: Mapping[tuple[str, int], float], norm: str, seeds: Sequence[int]) -> Effect:
    """log10 of the largest rate, the norm minus "none", over seeds."""
    pairs = [math.log10(largest[norm, s] / largest["none", s]) for s in seeds]
    # Each rate is known to a step of the grid, the same way for all seeds: no spread over seeds
    # tells of that error. And seeds that agree on the grid may still differ by less than a step.
    return widened(paired(pairs, resolution=STEP), STEP)


def judge(context: Context) -> Finding:
    """Difference of log10 of the largest rate that trains, the norm minus "none", by seed."""
    plan = context.plan
    largest = largest_rates(context)
    arms = plan.arms("learning_rate")
    verdicts = []
    for norm in arms:
        if norm == "none":
            continue
        capped = sum(largest[norm, s] >= LARGEST for s in plan.seeds_of(norm))
        verdicts.append(
            Verdict(
                id="largest",
                what=text("Largest learning rate that trains", "能训练的最大学习率"),
                norm=norm,
                primary=True,
                effect=difference(largest, norm, plan.seeds_of(norm)),
                lower_bound=capped > 0,
                undecided=context.recipe.nothing_learned,
                delta=DELTA,
                claimed="greater",
                style="log10",
                unit=text("times larger", "倍"),
                depends=("threshold",),
                exploratory=plan.is_exploratory(norm),
                note=text(
                    f"{capped} run{'s' * (capped > 1)} still trained at the top of the grid",
                    f"{capped} 次运行在网格最大值处仍能训练",
                )
                if capped
                else None,
            )
        )
    rows = [
        {"norm": norm, "seed": seed, "rate": None if math.isnan(rate) else rate}
        for (norm, seed), rate in sorted(largest.items())
    ]
    return Finding(
        verdicts,
        [
            Plot(
                id="largest",
                title=text("Largest learning rate that trains", "能训练的最大学习率"),
                caption=text(
                    "One dot per seed; the grid has two rates per decade.",
                    "每点为一个随机种子；网格每十倍取两个学习率。",
                ),
                kind="points",
                x=Axis("norm", text("norm", "归一化方法"), "category"),
                y=Axis("rate", text("learning rate", "学习率"), "log"),
                rows=rows,
            ).to_dict(),
            _accuracy(context, largest),
        ],
    )


def _accuracy(context: Context, largest: dict[tuple[str, int], float]) -> dict[str, object]:
    """Final training accuracy over the rates that were tried."""
    rows: list[dict[str, object]] = []
    for norm in context.plan.arms("learning_rate"):
        seeds = [s for s in context.plan.seeds_of(norm) if not math.isnan(largest[norm, s])]
        rate = context.recipe.rates[norm]
        top = max((half_decade(largest[norm, s], 1) for s in seeds), default=0.0)
        while rate <= min(top, LARGEST):
            # Every seed that climbed this far; the others failed below.
            tried = [s for s in seeds if rate <= half_decade(largest[norm, s], 1)]
            specs = [context.base(norm, s, rate) for s in tried]
            values = [r.accuracy for r in context.need(specs) if r is not None]
            if values:
                rows.append(
                    {
                        "norm": norm,
                        "rate": rate,
                        **band("accuracy", values),
                    }
                )
            rate = half_decade(rate, 1)
    return Plot(
        id="accuracy",
        title=text("Final training accuracy by learning rate", "不同学习率下的最终训练准确率"),
        caption=text(
            "From each norm's best rate upwards, over the seeds that still trained one step below; "
            "the band spans them; a diverged run counts as zero. The line marks what counts as "
            "trained.",
            "从各方法的最佳学习率向上，只含在低一格时仍能训练的随机种子，色带为其范围；"
            "发散的运行计为零。横线为“训练成功”的界限。",
        ),
        kind="lines",
        x=Axis("rate", text("learning rate", "学习率"), "log"),
        y=Axis("accuracy", text("final training accuracy", "最终训练准确率")),
        low="low",
        high="high",
        rows=rows,
        references=[
            {
                "axis": "y",
                "value": context.recipe.threshold,
                "label": text("counts as trained", "训练成功的界限"),
            }
        ],
    ).to_dict()


CLAIM = Claim(
    id="learning_rate",
    order=30,
    title=text("Allows larger learning rates", "允许更大的学习率"),
    textbook=text(
        "With normalization one can use a larger learning rate without training collapsing.",
        "使用归一化后可以采用较大的学习率，而不至于使训练崩溃。",
    ),
    measured=text(
        "From each arm's own best rate the rate climbs in half-decades until a run no longer "
        "trains: its final training accuracy stays below half-way from chance to the best arm's. "
        "Judged is the largest rate that trains, as a factor, paired by seed. Twice the rate is a "
        "difference that matters; since each rate is known to a step of the grid only, the "
        "interval is half a decade wider on both sides than the seeds alone would make it.",
        "从各自的最佳学习率起，以半个数量级为步长增大，直到训练失败：最终训练准确率达不到从随机猜测到"
        "最佳方法之间的一半。评判的量是能训练的最大学习率之比，按随机种子配对。至少为两倍才算有意义；"
        "由于学习率只精确到一格，区间两侧各加宽半个数量级。",
    ),
    contested=text(
        "That a larger rate is possible does not make it useful: the best rate may be the same. "
        "Under batch norm the size of the weights does not matter, so a large rate partly undoes "
        "itself as the weights grow (van Laarhoven 2017).",
        "能用更大的学习率不等于它有用：最佳学习率可能相同。在批归一化下权重的大小不起作用，"
        "权重增大会部分抵消大学习率（van Laarhoven 2017）。",
    ),
    advice={
        "supported": text(
            "Search rates above the ones that worked without norm: the usable range is wider.",
            "请到比无归一化时更大的学习率中去搜索：可用范围更宽。",
        ),
        "refuted": text(
            "Keep the range of rates you would search without norm.",
            "学习率的搜索范围与无归一化时相同即可。",
        ),
        "inconclusive": text(
            "The range may differ, but this run could not tell: tune the rate for each norm anew.",
            "可用范围可能不同，但本次实验无法判断：请为每种方法重新调学习率。",
        ),
    },
    judge=judge,
)
