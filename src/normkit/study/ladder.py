"""A budget's plan: the full one, cut one step after the other until it fits."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from normkit.study.bilingual import Text, text
from normkit.study.plan import Plan

BUDGETS = {"quick": 1.0, "standard": 6.0}
"""Minutes of training that each named budget allows. Start-up, the report, and grids of rates that
widen come on top: a study of 5.8 estimated minutes was seen to take 7.6."""


@dataclass(frozen=True)
class _Cut:
    """One way to make a plan cheaper, and the sentence that tells it in the report."""

    make: Callable[[Plan], Plan]
    told: Text
    claim: str | None = None
    """The claim it concerns; None for all."""
    topic: str | None = None
    """What several cuts are about, one after the other."""
    final: bool = False
    """Whether it makes what was told of earlier cuts on its topic moot."""


def _leave_out(claim: str) -> Callable[[Plan], Plan]:
    def make(plan: Plan) -> Plan:
        if len(plan.norms) <= 2:
            return plan
        return replace(plan, exploratory_left_out_of=plan.exploratory_left_out_of | {claim})

    return make


def _headline_only(claim: str, title: str, compares: bool = True) -> _Cut:
    """Leave the other norms out of a claim, which compares with `none` or within one norm."""
    told = text(
        f"`{claim}` compares `none` with the headline norm only.",
        f"“{title}”一项只比较无归一化与主要归一化方法。",
    )
    return _Cut(
        _leave_out(claim),
        told
        if compares
        else text(
            f"`{claim}` looks at the headline norm only.",
            f"“{title}”一项只考察主要归一化方法。",
        ),
        claim,
        topic="other norms",
    )


def _few_seeds(count: int) -> Callable[[Plan], Plan]:
    return lambda plan: replace(
        plan,
        seeds=plan.seeds[:count],
        exploratory_seeds=plan.exploratory_seeds[:count],
        gap_seeds=plan.gap_seeds[:count],
    )


def _only_headline(plan: Plan) -> Plan:
    return replace(plan, norms=tuple(n for n in plan.norms if n in ("none", plan.headline)))


# In this order, the least missed first, until the plan fits.
CUTS = (
    _headline_only("overfitting", "防止过拟合"),
    _Cut(
        lambda plan: (
            replace(plan, exploratory_tuning_seeds=plan.tuning_seeds[:2])
            if len(plan.norms) > 2
            else plan
        ),
        text(
            "Exploratory norms are tuned on two seeds instead of four.",
            "探索性的归一化方法只用两个随机种子调优，而不是四个。",
        ),
        topic="other norms",
    ),
    _headline_only("depth", "有利于更深层次的网络训练"),
    _Cut(
        lambda plan: replace(plan, deepening_seeds=5),
        text(
            "`depth` is measured on five seeds at most.",
            "“有利于更深层次的网络训练”一项至多使用五个随机种子。",
        ),
        "depth",
        topic="seeds",
    ),
    _Cut(
        lambda plan: replace(plan, rate_per_initialisation=False),
        text(
            "`initialisation` is measured at the base rate only, not with the rate tuned per "
            "initialisation.",
            "“对初始权重不敏感”一项只在基准学习率下测量，没有为每种初始化单独调学习率。",
        ),
        "initialisation",
    ),
    _headline_only("batch_size", "小批量时性能下降", compares=False),
    _headline_only("scale", "适应不同尺度的输入"),
    _headline_only("placement", "应放在激活函数之前", compares=False),
    _headline_only("initialisation", "对初始权重不敏感"),
    _headline_only("learning_rate", "允许更大的学习率"),
    _Cut(
        lambda plan: replace(plan, penalties=("dropout",)) if "dropout" in plan.penalties else plan,
        text(
            "Of dropout, L1 and L2 only dropout is tried in `overfitting`.",
            "“防止过拟合”一项只尝试了 Dropout，没有尝试 L1 和 L2。",
        ),
        "overfitting",
        topic="penalties",
    ),
    _Cut(
        lambda plan: replace(
            plan,
            initialisations=tuple(
                i
                for i in plan.initialisations
                if i
                in (
                    ("default", 1.0),
                    ("he", 1.0),
                    ("xavier", 1.0),
                    ("gaussian", 0.1),
                    ("gaussian", 10.0),
                )
            ),
        ),
        text(
            "Five initialisations instead of nine in `initialisation`.",
            "“对初始权重不敏感”一项只用了五种初始化，而不是九种。",
        ),
        "initialisation",
        topic="initialisations",
    ),
    _Cut(
        lambda plan: replace(plan, gap_seeds=plan.gap_seeds[: 2 * len(plan.seeds)]),
        text(
            "The gap of test over training loss is judged on twice as many seeds as the rest, not "
            "four times as many.",
            "测试与训练损失之差所用的随机种子数为其他各项的两倍，而不是四倍。",
        ),
        "overfitting",
        topic="gap seeds",
    ),
    _Cut(
        lambda plan: replace(plan, gap_seeds=plan.seeds, reduced_tuning_seeds=plan.tuning_seeds),
        text(
            "The gap of test over training loss is tuned and judged on as many seeds as the rest.",
            "测试与训练损失之差在调优和评判时所用的随机种子数与其他各项相同。",
        ),
        "overfitting",
        topic="gap seeds",
        final=True,
    ),
    _Cut(
        _only_headline,
        text(
            "Norms other than the headline norm were left out.",
            "除主要归一化方法外，其他归一化方法均未参加。",
        ),
        topic="other norms",
        final=True,
    ),
    _Cut(
        lambda plan: replace(plan, deepening=2.0),
        text(
            "`depth` tries networks at most twice as deep as the model, not four times.",
            "“有利于更深层次的网络训练”一项至多尝试两倍深的网络，而不是四倍。",
        ),
        "depth",
    ),
    _Cut(
        lambda plan: replace(plan, input_scales=plan.input_scales[-1:]),
        text(
            "`scale` trains anew on inputs a hundred times as large, not on smaller ones.",
            "“适应不同尺度的输入”一项只在放大一百倍的输入上重新训练，没有尝试缩小的输入。",
        ),
        "scale",
    ),
    _Cut(
        lambda plan: replace(plan, norm_batches=(plan.norm_batches[0], plan.norm_batches[-1])),
        text(
            "`batch_size` compares the smallest norm batch with the largest, nothing between.",
            "“小批量时性能下降”一项只比较最少与最多的图像数，没有尝试中间值。",
        ),
        "batch_size",
    ),
    _Cut(
        _few_seeds(5),
        text(
            "Five seeds instead of eight: every verdict is exploratory.",
            "随机种子由八个减为五个：所有结论都只是探索性的。",
        ),
        topic="seeds",
        final=True,
    ),
    _Cut(
        lambda plan: replace(
            plan,
            tuning_seeds=plan.tuning_seeds[:1],
            reduced_tuning_seeds=plan.tuning_seeds[:1],
            exploratory_tuning_seeds=plan.tuning_seeds[:1],
        ),
        text(
            "Rates are tuned on one seed.",
            "学习率只用一个随机种子调优。",
        ),
    ),
    _Cut(
        _few_seeds(3),
        text(
            "Three seeds: many verdicts will be inconclusive.",
            "随机种子减为三个：许多结论会是证据不足。",
        ),
        topic="seeds",
        final=True,
    ),
    _Cut(
        lambda plan: replace(plan, penalties=()),
        text(
            "`overfitting` measures the gap only, not the reliance on dropout, L1 and L2.",
            "“防止过拟合”一项只测量损失之差，没有测量对 Dropout、L1、L2 的依赖。",
        ),
        "overfitting",
        topic="penalties",
        final=True,
    ),
    _Cut(
        lambda plan: replace(plan, rate_for_reduced_images=False),
        text(
            "`overfitting` uses the base rates, not rates tuned on its reduced set, and judges the "
            "gap on as many seeds as the rest.",
            "“防止过拟合”一项使用基准学习率，没有在缩减的训练集上另行调优；"
            "其中的差距所用的随机种子数与其他各项相同。",
        ),
        "overfitting",
        topic="gap seeds",
        final=True,
    ),
    _Cut(
        lambda plan: replace(plan, depths=plan.depths[:2]),
        text(
            "Gradients are measured at two depths instead of three.",
            "梯度只在两种深度下测量，而不是三种。",
        ),
        "gradients",
    ),
    _Cut(
        lambda plan: replace(
            plan, initialisations=plan.initialisations[:1] + plan.initialisations[3:]
        ),
        text(
            "Three initialisations in `initialisation`.",
            "“对初始权重不敏感”一项只用了三种初始化。",
        ),
        "initialisation",
        topic="initialisations",
        final=True,
    ),
    _Cut(
        lambda plan: replace(plan, reduced_steps=plan.prototype.steps),
        text(
            "`overfitting` trains as long as the other claims, not twice as long.",
            "“防止过拟合”一项的训练步数与其他各项相同，而不是两倍。",
        ),
        "overfitting",
    ),
    _Cut(
        _few_seeds(2),
        text(
            "Two seeds: most verdicts will be inconclusive.",
            "随机种子减为两个：多数结论会是证据不足。",
        ),
        topic="seeds",
        final=True,
    ),
)


def ladder(plan: Plan) -> list[Plan]:
    """The plan, and what is left of it after one cut, two cuts, and so on."""
    plans, made = [plan], list[_Cut]()
    measured = set(plan.claims)
    # What cannot be set in a network of the user's is not measured, so that nothing is saved on it.
    measured -= {"depth"} if plan.prototype.depth is None else set()
    measured -= set() if plan.placements else {"placement"}
    for cut in CUTS:
        if cut.claim not in (None, *measured):
            continue
        smaller = cut.make(plans[-1])
        if smaller != plans[-1]:
            if cut.final:
                made = [earlier for earlier in made if earlier.topic != cut.topic]
            made.append(cut)
            plans.append(replace(smaller, dropped=(*plan.dropped, *(cut.told for cut in made))))
    return plans


def fit(plans: Sequence[Plan], cost: Callable[[Plan], float], seconds: float) -> int:
    """Index of the first plan of a ladder whose cost is at most `seconds`; the last if none is."""
    fitting = bisect_left(range(len(plans)), True, key=lambda i: cost(plans[i]) <= seconds)
    return min(fitting, len(plans) - 1)
