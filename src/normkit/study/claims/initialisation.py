"""Normalization makes training insensitive to the initial weights."""

from __future__ import annotations

import math
from collections import Counter
from functools import partial
from typing import Any

from normkit.study.bilingual import text
from normkit.study.claim import Axis, Claim, Finding, Plot
from normkit.study.context import Context, together
from normkit.study.record import Record
from normkit.study.spec import TrialSpec
from normkit.study.tuning import best_rate, half_decade
from normkit.study.verdict import Verdict, paired, share_difference

DELTA = 0.10
"""Smallest difference of shares that matters: ten points in a hundred."""

Start = tuple[str, float]


def label(start: Start) -> str:
    """An initialisation as figures name it.

    >>> label(("gaussian", 0.01)), label(("he", 1.0))
    ('gaussian ×0.01', 'he')
    """
    name, gain = start
    return f"{name} ×{gain:g}" if name == "gaussian" else name


def judge(context: Context) -> Finding:
    """Share of (initialisation × seed) that trains, the norm minus "none"."""
    plan, recipe = context.plan, context.recipe
    arms = plan.arms("initialisation")
    wanted = {
        (norm, start, seed): _trial(context, norm, start, seed, recipe.rates[norm])
        for norm in arms
        for start in plan.initialisations
        for seed in plan.seeds_of(norm)
    }
    tuned = _tuned_rates(context) if plan.rate_per_initialisation else {}
    again = {
        (norm, start, seed): _trial(context, norm, start, seed, rate)
        for (norm, start), rate in tuned.items()
        for seed in plan.seeds_of(norm)
    }
    context.need([*wanted.values(), *again.values()])
    verdicts: list[Verdict] = []
    rows: list[dict[str, object]] = []
    for which, trials in (("base", wanted), ("tuned", again)):
        records = dict(zip(trials, context.need(trials.values()), strict=True))
        for norm in arms:
            mine = {k: r for k, r in records.items() if k[0] == norm}
            if not mine:
                continue
            rows += _shares(context, which, norm, mine)
            if norm != "none":
                verdicts.append(_verdict(context, which, norm, records))
                if which == "base":
                    verdicts.append(_spread(context, norm, records))
    figure = Plot(
        id="shares",
        title=text("Share of runs that train", "训练成功的比例"),
        caption=text(
            "Of the seeds of each norm and initialisation. “gaussian ×g” has g times the standard "
            "deviation of He's.",
            "各方法、各初始化下训练成功的随机种子比例。“gaussian ×g”的标准差为 He 初始化的 g 倍。",
        ),
        kind="heat",
        x=Axis("initialisation", text("initialisation", "初始化"), "category"),
        y=Axis("norm", text("norm", "归一化方法"), "category"),
        series=None,
        facet="which",
        facets={
            "base": text("at the norm's base rate", "在该方法的基准学习率下"),
            "tuned": text("rate tuned per initialisation", "为每种初始化单独调学习率"),
        },
        value={
            "field": "share",
            "label": text("share that trains", "训练成功比例"),
            "format": "percent",
        },
        rows=rows,
    ).to_dict()
    return Finding(verdicts, [figure])


def _trial(context: Context, norm: str, start: Start, seed: int, rate: float) -> TrialSpec:
    return context.base(norm, _own_seed(context, start, seed), rate).but(
        init=start[0], gain=start[1]
    )


def _own_seed(context: Context, start: Start, seed: int) -> int:
    """A seed of the start's own, so that starts are independent trials; norms stay paired.

    The start of the base recipe keeps the seed: its trials are those of the other claims.
    """
    plan = context.plan
    if start == (context.recipe.init, 1.0):
        return seed
    return seed + 10 * (1 + plan.initialisations.index(start))


def _tuned_rates(context: Context) -> dict[tuple[str, Start], float]:
    """The best rate for each norm and initialisation: of three a decade apart, or beyond."""
    plan, recipe = context.plan, context.recipe
    arms = [norm for norm in plan.arms("initialisation") if norm in ("none", plan.headline)]
    rates = {norm: [half_decade(recipe.rates[norm], step) for step in (-2, 0, 2)] for norm in arms}

    def start_from(start: Start) -> dict[str, Any]:
        return {"init": start[0], "gain": start[1], "depth": recipe.depth}

    searches = [(norm, start) for norm in arms for start in plan.initialisations]
    found = together(
        [
            partial(
                best_rate,
                plan,
                context.need,
                norm,
                rates[norm],
                plan.retuning_seeds_of(norm),
                **start_from(start),
            )
            for norm, start in searches
        ]
    )
    return {search: tuned.rate for search, tuned in zip(searches, found, strict=True)}


Runs = dict[tuple[str, Start, int], Record | None]


def _verdict(context: Context, which: str, norm: str, records: Runs) -> Verdict:
    plan, recipe = context.plan, context.recipe
    both = {
        (start, seed): (record, other)
        for (n, start, seed), record in records.items()
        if n == norm and record and (other := records["none", start, seed])
    }
    pairs = list(both.values())
    whole = Counter(start for start, _ in both)
    missing = len(plan.initialisations) * len(plan.seeds_of(norm)) - len(both)
    return Verdict(
        id=f"share_{which}",
        what=text("More of the starts train, at the base rate", "训练成功的比例增加（基准学习率）")
        if which == "base"
        else text(
            "More of the starts train, rate tuned per initialisation",
            "训练成功的比例增加（为每种初始化单独调学习率）",
        ),
        norm=norm,
        primary=which == "base",
        effect=share_difference(
            sum(recipe.trains(a) for a, _ in pairs),
            sum(recipe.trains(b) for _, b in pairs),
            len(pairs),
            # Only as many seeds as every start has.
            min(whole[start] for start in plan.initialisations),
        ),
        delta=DELTA,
        claimed="greater",
        style="points",
        unit=text("percentage points", "个百分点"),
        depends=("threshold",),
        exploratory=plan.is_exploratory(norm),
        undecided=recipe.nothing_learned,
        note=text(f"{missing} pairs are missing", f"缺少 {missing} 对") if missing else None,
    )


def _spread(context: Context, norm: str, records: Runs) -> Verdict:
    """Spread of the final test error over initialisations, only among runs that train."""
    plan, recipe = context.plan, context.recipe

    def deviation(arm: str, seed: int) -> float:
        errors = [
            record.value("test_error")
            for (n, _, s), record in records.items()
            if (n, s) == (arm, seed) and record is not None and recipe.trains(record)
        ]
        if len(errors) < 2:
            return float("nan")
        mean = sum(errors) / len(errors)
        return math.sqrt(sum((e - mean) ** 2 for e in errors) / (len(errors) - 1))

    return Verdict(
        id="spread",
        what=text(
            "Spread of the test error over initialisations, among runs that train",
            "训练成功的运行中，测试错误率在各初始化之间的离散程度",
        ),
        norm=norm,
        primary=False,
        effect=paired([deviation(norm, s) - deviation("none", s) for s in plan.seeds_of(norm)]),
        delta=-0.005,
        claimed="less",
        style="points",
        unit=text("percentage points", "个百分点"),
        depends=("threshold",),
        exploratory=plan.is_exploratory(norm),
        note=text(
            "the arms may train from different initialisations", "两组训练成功的初始化可能不同"
        ),
    )


def _shares(context: Context, which: str, norm: str, mine: Runs) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for start in context.plan.initialisations:
        outcomes = [
            context.recipe.trains(record)
            for (_, s, _), record in mine.items()
            if s == start and record is not None
        ]
        if outcomes:
            rows.append(
                {
                    "which": which,
                    "norm": norm,
                    "initialisation": label(start),
                    "share": sum(outcomes) / len(outcomes),
                    "seeds": len(outcomes),
                }
            )
    return rows


CLAIM = Claim(
    id="initialisation",
    order=60,
    headline=True,
    title=text("Insensitive to initial weights", "对初始权重不敏感"),
    textbook=text(
        "Normalization makes the network less sensitive to how its weights are initialised.",
        "归一化减少了网络对初始权重的敏感程度。",
    ),
    measured=text(
        "Each norm starts from every initialisation with every seed, at its base rate; judged is "
        "the share of runs that train, compared with the network without norm, with exact "
        "binomial intervals. The same is shown with the rate tuned per initialisation. Ten points "
        "in a hundred is a difference that matters.",
        "每种方法在基准学习率下，从每种初始化、每个随机种子出发训练；"
        "评判的量是训练成功的比例与无归一化"
        "网络之差，采用精确二项区间。"
        "另给出为每种初始化单独调学习率时的结果。相差十个百分点才算有意义。",
    ),
    contested=text(
        "Careful initialisation alone does it too: Fixup (Zhang et al. 2019) trains very deep "
        "residual networks without any norm, and LSUV (Mishkin and Matas 2016) scales weights on "
        "data. The list of initialisations decides the share: look at the table, not only at the "
        "number.",
        "仅靠精心初始化也能做到：Fixup（Zhang 等，2019）不用任何归一化就能训练很深的残差网络，"
        "LSUV（Mishkin 与 Matas，2016）按数据缩放权重。"
        "选了哪些初始化决定了这个比例：请看图，不要只看数字。",
    ),
    advice={
        "supported": text(
            "The norm forgives more initialisations: the table says which. Without one, use He's "
            "for ReLU networks and check the first layers' scale.",
            "它能容忍更多的初始化，具体见图。没有归一化时，ReLU 网络请用 He 初始化，"
            "并检查前几层的尺度。",
        ),
        "refuted": text(
            "Choose the initialisation with care, norm or not.",
            "无论有无归一化，都要认真选择初始化。",
        ),
        "inconclusive": text(
            "More seeds or more initialisations are needed to tell.",
            "需要更多随机种子或更多初始化才能判断。",
        ),
    },
    judge=judge,
)
