"""Normalization makes training steadier."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from normkit.study.bilingual import Text, text
from normkit.study.claim import Axis, Claim, Finding, Plot, band
from normkit.study.context import Context, Runs
from normkit.study.probing import STEP_LENGTHS
from normkit.study.record import Record
from normkit.study.verdict import Verdict, paired

PROBE = ("stability",)

DELTA = math.log(0.8)
"""Smallest ratio of spreads that matters: a fifth less."""

APART = text(
    "the arms have less than a quarter of a decade of training loss in common",
    "两者共同经过的训练损失不足四分之一个数量级",
)
"""Told where there is no training loss to compare at."""

REACH = 10.0
"""The longest step looked at, as a multiple of the rate: what momentum 0.9 adds up to."""

Read = Callable[[Record, str], float | None]
"""A spread that a trial found at one of its moments."""


def judge(context: Context) -> Finding:
    """Ratio of the loss's spread, the norm over "none", averaged over equal training losses."""
    plan, recipe = context.plan, context.recipe
    runs = context.base_runs(plan.arms("stability"), PROBE)
    verdicts: list[Verdict] = []
    for norm in runs:
        if norm == "none":
            continue
        for id_, of_norm, of_none in (
            ("same_lengths", along(recipe.rates["none"]), along(recipe.rates["none"])),
            ("own_lengths", along(recipe.rates[norm]), along(recipe.rates["none"])),
            ("between_steps", between_steps, between_steps),
        ):
            seeds = [s for s in plan.seeds_of(norm) if s in runs[norm] and s in runs["none"]]
            missing = [math.nan] * (len(plan.seeds_of(norm)) - len(seeds))
            ratios = [
                log_ratio(runs[norm][s], of_norm, runs["none"][s], of_none) for s in seeds
            ] + missing
            verdicts.append(
                Verdict(
                    id=id_,
                    what=WHAT[id_],
                    norm=norm,
                    primary=id_ == "same_lengths",
                    effect=paired(ratios),
                    delta=DELTA,
                    claimed="less",
                    style="ratio",
                    unit=text("with norm over without", "（有归一化 ÷ 无归一化）"),
                    exploratory=plan.is_exploratory(norm),
                    undecided=(None if id_ == "between_steps" else plan.no_gradient_steps)
                    or recipe.no_comparator
                    or recipe.untrained(runs[norm].values())
                    or (None if any(map(math.isfinite, ratios)) else APART),
                    note=_overflows(
                        {arm: [runs[arm][s] for s in seeds] for arm in ("none", norm)},
                        (of_none, of_norm),
                    ),
                )
            )
    return Finding(verdicts, [_along_training(context, runs), _along_gradient(context, runs)])


WHAT = {
    "same_lengths": text(
        "Spread of the loss along the gradient, over the same step lengths",
        "沿梯度方向损失的波动幅度（步长相同）",
    ),
    "own_lengths": text(
        "Spread of the loss along the gradient, over steps of each arm's own best rate",
        "沿梯度方向损失的波动幅度（步长按各自的最佳学习率）",
    ),
    "between_steps": text(
        "Spread of the loss from one step to the next, each at its own best rate",
        "相邻训练步之间损失的波动幅度（各用自己的最佳学习率）",
    ),
}


def along(rate: float) -> Read:
    """Range of the loss over steps down the gradient from a rate to ten times it, in nats."""
    places = [
        i for i, length in enumerate(STEP_LENGTHS) if 0.99 * rate <= length <= 1.01 * REACH * rate
    ]

    def spread(record: Record, moment: str) -> float | None:
        found = record.probes["stability"][moment]["losses"]
        losses = [found[i] for i in places]
        if len(losses) < 2 or any(loss is None for loss in losses):
            return None
        return float(max(losses) - min(losses))

    return spread


def _overflows(runs: Mapping[str, Sequence[Record]], reads: tuple[Read, Read]) -> Text | None:
    """Told where a loss overflowed: such moments are in no average, though least steady of all."""
    counts = {
        arm: sum(
            read(record, moment) is None
            for record in records
            for moment in record.probes["stability"]
        )
        for (arm, records), read in zip(runs.items(), reads, strict=True)
    }
    if between_steps in reads or not any(counts.values()):
        return None
    arms = ", ".join(f"`{arm}` {count}" for arm, count in counts.items())
    return text(
        f"moments at which a loss overflowed are left out: {arms}",
        f"损失溢出的时刻未计入：{arms.replace(', ', '、')}",
    )


def between_steps(record: Record, moment: str) -> float | None:
    """Spread of the loss from one step to the next around a moment, in nats."""
    value = record.probes["stability"][moment]["between_steps"]
    return None if value is None else float(value)


Curve = list[tuple[float, float]]
"""(log of the training loss, log of a spread), in the order of training."""


def curve(record: Record, read: Read) -> Curve:
    """How a spread goes with the training loss, as training lowers it."""
    losses = dict(zip(record.column("step"), record.column("train_loss"), strict=True))
    found: Curve = []
    for moment in record.probes["stability"]:
        loss, spread = losses.get(float(moment), math.nan), read(record, moment)
        if spread is not None and spread > 0 and math.isfinite(loss) and loss > 0:
            found.append((math.log(loss), math.log(spread)))
    return found


def at(points: Curve, level: float) -> float | None:
    """The spread's logarithm where the training loss first falls through a level."""
    for (above, first), (below, second) in pairwise(points):
        if above >= level > below:
            return first + (second - first) * (above - level) / (above - below)
    return None


def log_ratio(norm: Record, of_norm: Read, none: Record, of_none: Read) -> float:
    """Mean log ratio of the spreads over the training losses that both passed; NaN for none."""
    one, other = curve(norm, of_norm), curve(none, of_none)
    if not one or not other:
        return math.nan
    ratios = [
        a - b
        for level in levels([one, other])
        if (a := at(one, level)) is not None and (b := at(other, level)) is not None
    ]
    return statistics.fmean(ratios) if ratios else math.nan


def levels(curves: Sequence[Curve]) -> list[float]:
    """Logarithms of training losses a quarter of a decade apart, from what all have passed."""
    lowest = max(min(loss for loss, _ in points) for points in curves)
    highest = min(max(loss for loss, _ in points) for points in curves)
    step = math.log(10) / 4
    first, last = math.ceil(lowest / step), math.floor(highest / step)
    return [step * i for i in range(first, last + 1)]


def _along_training(context: Context, runs: Runs) -> dict[str, object]:
    reads: dict[str, Callable[[str], Read]] = {
        "same_lengths": lambda _: along(context.recipe.rates["none"]),
        "own_lengths": lambda norm: along(context.recipe.rates[norm]),
        "between_steps": lambda _: between_steps,
    }
    rows: list[dict[str, object]] = []
    for which, read in reads.items():
        for norm, by_seed in runs.items():
            curves = [c for record in by_seed.values() if (c := curve(record, read(norm)))]
            # What most seeds have passed: one that never trained is not to hide the others.
            for level in sorted({level for c in curves for level in levels([c])}):
                values = [math.exp(v) for c in curves if (v := at(c, level)) is not None]
                if 2 * len(values) > len(by_seed):
                    rows.append(
                        {
                            "which": which,
                            "norm": norm,
                            "train_loss": math.exp(level),
                            **band("spread", values, statistics.geometric_mean),
                        }
                    )
    return Plot(
        id="spread",
        title=text("Spread of the loss as training goes on", "训练过程中损失的波动幅度"),
        caption=text(
            "At equal training loss, in nats; training goes from right to left. Along the "
            f"gradient: the loss after one step of {context.recipe.rates['none']:g} to ten times "
            "that (the best rate of `none`), or of each norm's own best rate to ten times that, "
            "highest minus lowest. Geometric mean over the seeds that came so far, where these are "
            "most; the band spans them.",
            "在相同训练损失处比较，单位 nat；训练从右向左进行。沿梯度方向：步长从 "
            f"{context.recipe.rates['none']:g}（`none` 的最佳学习率）到其十倍，"
            "或从各自的最佳学习率到其十倍，走一步之后损失的最大值减最小值。"
            "对走到该处的随机种子取几何平均（须超过半数），色带为它们的范围。",
        ),
        kind="lines",
        x=Axis("train_loss", text("training loss, nats", "训练损失（nat）"), "log"),
        y=Axis("spread", text("spread of the loss, nats", "损失的波动幅度（nat）"), "log"),
        low="low",
        high="high",
        facet="which",
        facets={
            "same_lengths": text("along the gradient, same steps", "沿梯度方向，步长相同"),
            "own_lengths": text("along the gradient, own rates", "沿梯度方向，各自的学习率"),
            "between_steps": text("from step to step", "相邻训练步之间"),
        },
        rows=rows,
    ).to_dict()


def _along_gradient(context: Context, runs: Runs) -> dict[str, object]:
    """The loss over step lengths in the middle of training, of the first seed."""
    rows: list[dict[str, object]] = []
    half = math.log(math.log(context.plan.classes) / 2)
    for norm, by_seed in runs.items():
        for seed, record in list(by_seed.items())[:1]:
            losses = dict(zip(record.column("step"), record.column("train_loss"), strict=True))
            moments = [
                m for m in record.probes["stability"] if 0 < losses.get(float(m), 0) < math.inf
            ]
            if not moments:
                continue
            moment = min(moments, key=lambda m: abs(math.log(losses[float(m)]) - half))
            found = record.probes["stability"][moment]["losses"]
            rows += [
                {"norm": norm, "seed": seed, "step": int(moment), "length": length, "loss": loss}
                for length, loss in zip(STEP_LENGTHS, found, strict=True)
                if loss is not None
            ]
    return Plot(
        id="landscape",
        title=text("The loss along the gradient", "沿梯度方向的损失"),
        caption=text(
            "Loss of one batch after one step down its gradient, by the length of the step (a "
            "learning rate); the first seed, at the moment whose training loss is nearest to half "
            "that of a guess.",
            "在一个批次上沿梯度走一步之后的损失，横轴为步长（学习率）；取第一个随机种子、"
            "训练损失最接近随机猜测之一半的时刻。",
        ),
        kind="lines",
        x=Axis("length", text("length of the step", "步长"), "log"),
        y=Axis("loss", text("loss, nats", "损失（nat）"), "log"),
        rows=rows,
    ).to_dict()


CLAIM = Claim(
    id="stability",
    order=90,
    title=text("Makes training steadier", "提高训练稳定性"),
    textbook=text(
        "With normalization training is steadier: the loss moves smoothly and predictably.",
        "使用归一化后训练更稳定：损失的变化更平滑、更可预测。",
    ),
    measured=text(
        "All through training, on a fixed batch: how far the loss ranges along its own gradient, "
        "over step lengths from a learning rate to ten times it, which is what momentum adds up "
        "to. Read at equal training losses, a quarter of a decade apart, and averaged; the ratio "
        "of the norm's spread to that without norm is paired by seed. Judged over the same step "
        "lengths for both, those of the best rate of `none`; beside it, over each arm's own, and "
        "the spread of the loss from one training step to the next. A fifth less matters.",
        "在整个训练过程中、固定的一个批次上：沿损失自身的梯度方向，步长从学习率到其十倍"
        "（动量累积的效果），损失的变化范围有多大。"
        "在相同的训练损失处读取（每四分之一个数量级一次）再取平均；"
        "按随机种子配对，取有归一化与无归一化之比。评判时两者步长相同（`none` 的最佳学习率）；"
        "旁边列出各用自己学习率的结果，以及相邻训练步之间损失的波动。至少小五分之一才算有意义。",
    ),
    contested=text(
        "Santurkar et al. (2018) hold that a smoother landscape is how batch norm works at all, "
        "not less covariate shift. Smoother at equal steps does not mean steadier in use: a larger "
        "rate spends what was gained. A range counts a useful descent as much as an overshoot: the "
        "second figure tells which it is. Look at all three.",
        "Santurkar 等（2018）认为，更平滑的损失曲面才是批归一化起作用的原因，而不是减少协变量偏移。"
        "步长相同时更平滑，不等于实际使用时更稳定：更大的学习率会把好处用掉。"
        "变化范围既包括有用的下降，也包括冲过头：究竟是哪一种，请看第二张图。请三者都看。",
    ),
    advice={
        "supported": text(
            "The loss bears larger steps with the norm: a larger rate is worth a try.",
            "有归一化时损失能承受更大的步长：值得尝试更大的学习率。",
        ),
        "refuted": text(
            "The norm does not smooth the loss here: for steadier training lower the rate, warm it "
            "up, or clip gradients, and measure again.",
            "在这里它并没有使损失更平滑：若要训练更稳定，"
            "请降低学习率、使用预热或梯度裁剪，并重新测量。",
        ),
        "inconclusive": text(
            "The runs did not share enough of the way down, or the seeds differ too much, to tell.",
            "各次运行共同经过的训练损失太少，或随机种子差别太大，无法判断。",
        ),
    },
    judge=judge,
)
