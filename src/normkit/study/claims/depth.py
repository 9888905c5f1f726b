"""Normalization lets deeper networks train."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

from normkit.study.bilingual import Text, text
from normkit.study.claim import Axis, Claim, Finding, Plot
from normkit.study.context import Context
from normkit.study.tuning import half_decade
from normkit.study.verdict import Verdict, paired, widened

DELTA = math.log(1.25)
"""Smallest ratio of depths that matters: a quarter deeper."""

STEP = math.log(2) / 2
"""Logarithm of a step of the grid of depths."""

LOWER_RATES = (0, -1, -2)
"""Half-decades from the base rate that are tried at a depth, until one trains."""

Arm = tuple[str, int]
"""A norm and a seed."""


def half_octave(depth: int, steps: int) -> int:
    """The depth `steps` half-octaves away, to the nearest even number.

    >>> [half_octave(8, step) for step in range(-2, 5)]
    [4, 6, 8, 12, 16, 22, 32]
    """
    return max(2 * round(depth * 2 ** (steps / 2) / 2), 2) if steps else depth


def deepest(context: Context) -> tuple[dict[Arm, int], dict[Arm, dict[int, bool]]]:
    """For each norm and seed, the deepest network that trains, and what was tried.

    From the depth of the base recipe upwards in half-octaves until one fails at all rates, or
    downwards until one trains. All arms and seeds climb together, so that the workers are kept
    busy. Zero where not even the shallowest trains; a seed with a trial that failed is left out.
    """
    plan, recipe = context.plan, context.recipe
    start, limit = recipe.depth or 1, deepest_tried(context)
    climbing = {(n, s): 0 for n in plan.arms("depth") for s in plan.deepening_seeds_of(n)}
    found: dict[Arm, int] = {}
    tried: dict[Arm, dict[int, bool]] = {arm: {} for arm in climbing}
    while climbing:
        trains = _train(context, {arm: half_octave(start, k) for arm, k in climbing.items()})
        for arm, success in trains.items():
            step = climbing[arm]
            depth = half_octave(start, step)
            if success is None:
                # A trial that failed says nothing of its depth: the seed has no pair.
                del climbing[arm], tried[arm]
                continue
            tried[arm][depth] = success
            further = half_octave(start, step + (1 if success else -1))
            turned = tried[arm].get(further)
            if success and (turned is False or further > limit):
                found[arm] = depth
            elif not success and (turned is True or further == depth):
                found[arm] = further if turned else 0
            else:
                climbing[arm] = step + (1 if success else -1)
        climbing = {arm: step for arm, step in climbing.items() if arm not in found}
    return found, tried


def deepest_tried(context: Context) -> int:
    """The last depth of the grid."""
    plan = context.plan
    start = context.recipe.depth or 1
    most = plan.deepening * (plan.prototype.depth or start)
    steps = itertools.count()
    return half_octave(start, next(k for k in steps if half_octave(start, k + 1) > most))


def _train(context: Context, depths: Mapping[Arm, int]) -> dict[Arm, bool | None]:
    """Whether each arm trains at its depth, at its base rate or a lower one; None if it failed."""
    answers: dict[Arm, bool | None] = {}
    left = dict(depths)
    for lower in LOWER_RATES:
        specs = [
            context.base(norm, seed, half_decade(context.recipe.rates[norm], lower)).but(
                depth=depth
            )
            for (norm, seed), depth in left.items()
        ]
        records = dict(zip(list(left), context.need(specs), strict=True))
        for arm, record in records.items():
            if record is None:
                answers[arm] = None
            elif context.recipe.trains(record):
                answers[arm] = True
        left = {arm: depth for arm, depth in left.items() if arm not in answers}
    return answers | dict.fromkeys(left, False)


def judge(context: Context) -> Finding:
    """Ratio of the deepest networks that train, the norm over "none", by seed."""
    plan = context.plan
    norms = [norm for norm in plan.arms("depth") if norm != "none"]
    if plan.prototype.depth is None:
        told = text(
            "the depth of this network cannot be set from outside", "无法从外部设定该网络的深度"
        )
        return Finding([_verdict(context, norm, {}, told) for norm in norms], [])
    found, tried = deepest(context)
    return Finding(
        [_verdict(context, norm, found, None) for norm in norms],
        [_figure(found), _shares(context, tried)],
    )


def _verdict(
    context: Context, norm: str, found: Mapping[Arm, int], undecided: Text | None
) -> Verdict:
    plan = context.plan
    seeds = plan.deepening_seeds_of(norm)
    ratios = [_log_ratio(found.get((norm, s)), found.get(("none", s))) for s in seeds]
    top = 0 if undecided else deepest_tried(context)
    capped = sum(found.get((norm, s)) == top for s in seeds) if top else 0
    return Verdict(
        id="deepest",
        what=text("Deepest network that trains", "能训练的最深网络"),
        norm=norm,
        primary=True,
        # Each depth is known to a step of the grid, the same way for all seeds.
        effect=widened(paired(ratios, resolution=STEP), STEP),
        lower_bound=capped > 0,
        delta=DELTA,
        claimed="greater",
        style="ratio",
        unit=text("times as deep", "倍深度"),
        depends=("threshold",),
        exploratory=plan.is_exploratory(norm),
        undecided=undecided or context.recipe.nothing_learned,
        note=text(
            f"{capped} network{'s' * (capped > 1)} still trained at {top} layers, the deepest "
            "tried",
            f"{capped} 个网络在所试的最大深度 {top} 层仍能训练",
        )
        if capped
        else None,
    )


def _log_ratio(deepest: int | None, comparators: int | None) -> float:
    """Of the depths of two arms; NaN where one is not known, or neither trains at any depth.

    An arm that trains at no depth counts as one layer, so that it is not left out for it.
    """
    if deepest is None or comparators is None or not (deepest or comparators):
        return math.nan
    return math.log(max(deepest, 1) / max(comparators, 1))


def _figure(found: Mapping[Arm, int]) -> dict[str, object]:
    return Plot(
        id="deepest",
        title=text("Deepest network that trains", "能训练的最深网络"),
        caption=text(
            "One dot per seed; the grid has two depths for each doubling.",
            "每点为一个随机种子；网格在深度每翻一倍之间取两个值。",
        ),
        kind="points",
        x=Axis("norm", text("norm", "归一化方法"), "category"),
        y=Axis("depth", text("layers", "层数"), "log"),
        rows=[
            {"norm": norm, "seed": seed, "depth": depth or None}
            for (norm, seed), depth in sorted(found.items())
        ],
    ).to_dict()


def _shares(context: Context, tried: Mapping[Arm, Mapping[int, bool]]) -> dict[str, object]:
    outcomes: dict[tuple[str, int], list[bool]] = {}
    for (norm, _), depths in tried.items():
        for depth, trains in depths.items():
            outcomes.setdefault((norm, depth), []).append(trains)
    rows = [
        {
            "norm": norm,
            "depth": depth,
            "share": sum(outcomes[norm, depth]) / len(outcomes[norm, depth]),
            "seeds": len(outcomes[norm, depth]),
        }
        for norm in context.plan.arms("depth")
        for depth in sorted({d for _, d in outcomes})
        if (norm, depth) in outcomes
    ]
    return Plot(
        id="shares",
        title=text("Share of networks that train, by depth", "不同深度下训练成功的比例"),
        caption=text(
            "Of the seeds that came so far: one that fails at a depth is not tried at a greater "
            "one. Counted as trained at the arm's base rate, half a decade below it, or a decade.",
            "只含走到该深度的随机种子：在某一深度失败后不再尝试更深。"
            "在基准学习率、低半个数量级或低一个数量级下任一训练成功即算成功。",
        ),
        kind="heat",
        x=Axis("depth", text("layers", "层数"), "category"),
        y=Axis("norm", text("norm", "归一化方法"), "category"),
        series=None,
        value={
            "field": "share",
            "label": text("share that trains", "训练成功比例"),
            "format": "percent",
        },
        rows=rows,
    ).to_dict()


CLAIM = Claim(
    id="depth",
    order=80,
    title=text("Lets deeper networks train", "有利于更深层次的网络训练"),
    textbook=text(
        "With normalization, deeper networks can be trained.",
        "归一化有利于更深层次的网络训练。",
    ),
    measured=text(
        "From the depth of the base recipe the network is made deeper, two steps to each doubling, "
        "until it no longer trains in the same number of steps, at its base rate, half a decade "
        "below it, or a decade. Judged is the deepest that trains, as a ratio, paired by seed; "
        "where none does, it counts as one layer. A quarter deeper matters; since each depth is "
        "known to a step of the grid only, the interval is wider by that step on both sides.",
        "从基准方案的深度起逐步加深网络（深度每翻一倍分两步），直到在相同步数内、"
        "以基准学习率、低半个数量级或低一个数量级都无法训练成功。"
        "评判的量是能训练的最大深度之比，按随机种子配对；任何深度都不行的按一层计。"
        "至少深四分之一才算有意义；由于深度只精确到一格，区间两侧各加宽一格。",
    ),
    contested=text(
        "Residual connections do it too, and further (He et al. 2015); careful initialisation "
        "alone can (Fixup, Zhang et al. 2019). Very deep plain networks with batch norm explode at "
        "the start (Yang et al. 2019). What does not train in these few steps may train in more.",
        "残差连接同样能做到，而且走得更远（He 等，2015）；仅靠精心初始化也可以"
        "（Fixup，Zhang 等，2019）。带批归一化的很深的普通网络在初始时梯度会爆炸（Yang 等，2019）。"
        "在这样少的步数里训练不成的网络，训练更久也许可以。",
    ),
    advice={
        "supported": text(
            "If you must go deeper, the norm is one way; put residual connections beside it and "
            "compare.",
            "若需要更深的网络，归一化是一种办法；请与残差连接一起比较。",
        ),
        "refuted": text(
            "The norm does not carry this network deeper: use residual connections.",
            "它不能使这个网络更深：请使用残差连接。",
        ),
        "inconclusive": text(
            "The depths are too close on this grid to tell; more seeds would help.",
            "在这个网格上深度相差太近，无法判断；需要更多随机种子。",
        ),
    },
    judge=judge,
)
