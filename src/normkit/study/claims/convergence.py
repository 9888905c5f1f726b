"""Normalization speeds up convergence."""

from __future__ import annotations

import math

from normkit.study.bilingual import text
from normkit.study.claim import Axis, Claim, Finding, Plot, band
from normkit.study.claims.cost import step_ratio
from normkit.study.context import Context
from normkit.study.record import Record, first_above
from normkit.study.verdict import Verdict, added, negated, paired

DELTA = math.log(1.25)
"""Smallest ratio that matters: a quarter fewer steps."""

RATIO = text("without norm over with it", "（无归一化 ÷ 有归一化）")


def steps_to(record: Record, target: float, limit: int) -> float:
    """Steps until the training accuracy first reaches the target; at most `limit`.

    A run that never gets there counts with the whole budget: the restricted time.
    """
    reached = None if record.status != "ok" else first_above(record, "train_accuracy", target)
    return float(limit) if reached is None else min(reached, float(limit))


def judge(context: Context) -> Finding:
    """Ratio of the steps to a common target, "none" over the norm, paired by seed."""
    plan, recipe = context.plan, context.recipe
    limit = plan.prototype.steps
    arms = [norm for norm in plan.norms if norm != "none"]
    trials = {(norm, s): context.base(norm, s) for norm in plan.norms for s in plan.seeds_of(norm)}
    same_rate = {
        (norm, s): context.base(norm, s, recipe.rates["none"])
        for norm in arms
        for s in plan.seeds_of(norm)
    }
    context.need([*trials.values(), *same_rate.values()])
    own = {n: context.by_seed({s: trials[n, s] for s in plan.seeds_of(n)}) for n in plan.norms}
    same = {n: context.by_seed({s: same_rate[n, s] for s in plan.seeds_of(n)}) for n in arms}

    verdicts: list[Verdict] = []
    for norm in arms:
        in_seconds = negated(step_ratio(context, norm))
        for id_, runs, pace, what in (
            (
                "steps",
                own[norm],
                None,
                text(
                    "Steps to the target, without norm over with it, each at its own best rate",
                    "达到目标所需步数之比，无归一化 ÷ 有归一化（各用自己的最佳学习率）",
                ),
            ),
            (
                "seconds",
                own[norm],
                in_seconds,
                text(
                    "Seconds to the target, without norm over with it, each at its own best rate",
                    "达到目标所需时间之比，无归一化 ÷ 有归一化（各用自己的最佳学习率）",
                ),
            ),
            (
                "steps_same_rate",
                same[norm],
                None,
                text(
                    "Steps to the target, without norm over with it, "
                    "both at the best rate of `none`",
                    "达到目标所需步数之比，无归一化 ÷ 有归一化（都用无归一化时的最佳学习率）",
                ),
            ),
            (
                "seconds_same_rate",
                same[norm],
                in_seconds,
                text(
                    "Seconds to the target, without norm over with it, "
                    "both at the best rate of `none`",
                    "达到目标所需时间之比，无归一化 ÷ 有归一化（都用无归一化时的最佳学习率）",
                ),
            ),
        ):
            pairs = [
                (
                    steps_to(own["none"][s], recipe.target, limit),
                    steps_to(runs[s], recipe.target, limit),
                )
                for s in plan.seeds_of(norm)
                if s in own["none"] and s in runs
            ]
            neither = sum(a >= limit and b >= limit for a, b in pairs)
            undecided = recipe.no_comparator
            if undecided is None and 2 * neither > len(pairs):
                undecided = text(
                    "neither reached the target in most pairs", "多数配对中两者都未达到目标"
                )
            censored = sum(a >= limit for a, _ in pairs)
            # Checkpoints lie 30 % apart.
            missing = [math.nan] * (len(plan.seeds_of(norm)) - len(pairs))
            effect = paired([*(math.log(a / b) for a, b in pairs), *missing], math.log(1.3))
            verdicts.append(
                Verdict(
                    id=id_,
                    what=what,
                    norm=norm,
                    primary=id_ == "steps",
                    effect=effect if pace is None else added(effect, pace),
                    lower_bound=any(b < limit <= a for a, b in pairs),
                    delta=DELTA,
                    claimed="greater",
                    style="ratio",
                    unit=RATIO,
                    depends=("target",) if pace is None else ("target", "machine"),
                    exploratory=plan.is_exploratory(norm),
                    undecided=undecided,
                    note=text(
                        f"`none` never reached the target in {censored} of {len(pairs)} runs, "
                        "which count with the whole budget",
                        f"{len(pairs)} 次运行中无归一化有 {censored} 次未达到目标，按全部步数计",
                    )
                    if censored
                    else None,
                )
            )
    return Finding(verdicts, [_curves(context, own), _same_rate(context, own, same)])


def _curves(context: Context, runs: dict[str, dict[int, Record]]) -> dict[str, object]:
    return Plot(
        id="curves",
        title=text("Training accuracy, each at its own best rate", "训练准确率（各用最佳学习率）"),
        caption=text(
            f"Mean over seeds on a fixed part of the training images, evaluation mode; the band "
            f"spans all seeds. The line marks the target, {100 * context.recipe.target:.1f} %.",
            f"在固定的一部分训练图像上、评估模式下，对各随机种子取平均；色带为所有随机种子的范围。"
            f"横线为目标准确率 {100 * context.recipe.target:.1f} %。",
        ),
        kind="lines",
        x=Axis("step", text("training step", "训练步数"), "log"),
        y=Axis("train_accuracy", text("training accuracy", "训练准确率")),
        low="low",
        high="high",
        rows=spread(runs, "train_accuracy"),
        references=[{"axis": "y", "value": context.recipe.target, "label": text("target", "目标")}],
    ).to_dict()


def spread(runs: dict[str, dict[int, Record]], column: str) -> list[dict[str, object]]:
    """Mean, lowest and highest over seeds of a curve, for each norm and checkpoint."""
    rows: list[dict[str, object]] = []
    for norm, by_seed in runs.items():
        at: dict[float, list[float]] = {}
        for record in by_seed.values():
            for step, value in zip(record.column("step"), record.column(column), strict=True):
                if step and math.isfinite(value):
                    at.setdefault(step, []).append(value)
        rows += [
            {
                "norm": norm,
                "step": int(step),
                **band(column, values),
            }
            for step, values in sorted(at.items())
        ]
    return rows


def _same_rate(
    context: Context, own: dict[str, dict[int, Record]], same: dict[str, dict[int, Record]]
) -> dict[str, object]:
    target, limit = context.recipe.target, context.plan.prototype.steps
    rows = [
        {
            "norm": norm,
            "seed": seed,
            "rate": record.spec.rate,
            "which": which,
            "steps": steps if steps < limit else None,
        }
        for which, runs in (("own", own), ("same", same | {"none": own["none"]}))
        for norm, by_seed in runs.items()
        for seed, record in by_seed.items()
        for steps in [steps_to(record, target, limit)]
    ]
    return Plot(
        id="steps",
        title=text("Steps to the target", "达到目标所需步数"),
        caption=text(
            "One dot per seed. Left: each norm at its own best rate. Right: all at the best rate "
            "of the network without norm: what is left when the larger rate is taken away.",
            "每点为一个随机种子。左：各用自己的最佳学习率。右：都用无归一化网络的最佳学习率，"
            "即去掉“可用更大学习率”之后剩下的效果。",
        ),
        kind="points",
        x=Axis("norm", text("norm", "归一化方法"), "category"),
        y=Axis("steps", text("steps to the target", "达到目标所需步数"), "log"),
        facet="which",
        facets={
            "own": text("own best rate", "各自的最佳学习率"),
            "same": text("best rate of `none`", "无归一化的最佳学习率"),
        },
        rows=rows,
    ).to_dict()


CLAIM = Claim(
    id="convergence",
    order=20,
    headline=True,
    title=text("Speeds up convergence", "加速收敛"),
    textbook=text(
        "With normalization a network needs fewer steps to train, and training time shrinks.",
        "有了归一化层，网络训练所需的步数更少，训练时间更短。",
    ),
    measured=text(
        "Every arm's learning rate is tuned on the same grid, with seeds that are not judged. "
        "The target is a training accuracy nine tenths of the way from chance to what the slowest "
        "arm reached in tuning. Judged is the ratio of the steps that the network without norm "
        "needs to those with it, paired by seed; a run that never arrives counts with the whole "
        "budget. A ratio of 1.25 is the smallest that matters.",
        "每种方法的学习率都在同一网格上、用不参与评判的随机种子调优。目标是训练准确率达到从随机猜测到"
        "调优阶段最慢方法所达水平的十分之九。评判的量是：无归一化网络所需步数与有归一化网络所需步数之比，"
        "按随机种子配对；始终未达到目标的运行按全部步数计。步数之比至少为 1.25 才算有意义的差别。",
    ),
    contested=text(
        "Bjorck et al. (2018) found that the gain is the larger rate that batch norm allows: at "
        "equal rates little is left. De and Smith (2020) found it small at small batch. A step "
        "with a norm also takes longer: read the seconds beside the steps.",
        "Bjorck 等（2018）发现收益其实来自批归一化所允许的更大学习率：学习率相同时所剩无几。"
        "De 与 Smith（2020）发现小批量时收益很小。带归一化的一步也更慢：请同时看步数与秒数。",
    ),
    advice={
        "supported": text(
            "Use the norm at a rate that is tuned for it: the verdicts at the same rate tell what "
            "keeping the one of the network without norm would give away.",
            "使用归一化时请为它单独调学习率：沿用无归一化网络的学习率会丢掉多少收益，"
            "见“都用无归一化时的最佳学习率”的各项结论。",
        ),
        "refuted": text(
            "Do not expect faster training from this norm here; choose it for other reasons.",
            "在这里不要指望它加快训练；如要使用，应出于其他理由。",
        ),
        "inconclusive": text(
            "This run cannot tell: use a larger budget or more steps before relying on it.",
            "本次实验无法判断：请增加预算或训练步数后再下结论。",
        ),
    },
    judge=judge,
)
