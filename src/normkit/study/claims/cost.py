"""Normalization costs less training time, per step."""

from __future__ import annotations

import math

from normkit.study.bilingual import text
from normkit.study.claim import Axis, Claim, Finding, Plot
from normkit.study.context import Context
from normkit.study.record import Record
from normkit.study.spec import TrialSpec
from normkit.study.verdict import Effect, Verdict, exact, paired

DELTA = math.log(0.95)
"""Smallest ratio that matters: five per cent less."""

ROUNDS = 12
"""Steps of each arm that one cost trial times, in turns."""

REPETITIONS = 8


def cost_trials(context: Context) -> list[TrialSpec]:
    """The trials that time every arm in turns, with nothing else running."""
    plan = context.plan
    repetitions = REPETITIONS if len(plan.seeds) >= 5 else 3
    arms = _running(context)
    if not arms:
        return []
    return [
        context.base(arms[0], plan.seeds[0] + repetition, 0.0).but(
            kind="cost", steps=ROUNDS, arms=arms, test="never"
        )
        for repetition in range(repetitions)
    ]


def _running(context: Context) -> tuple[str, ...]:
    """The arms that have run: one whose every trial failed would fail those that time all arms."""
    plan = context.plan
    trials = {(norm, s): context.base(norm, s) for norm in plan.norms for s in plan.seeds_of(norm)}
    records = dict(zip(trials, context.need(trials.values()), strict=True))
    ran = {norm for (norm, _), record in records.items() if record is not None}
    return tuple(norm for norm in plan.norms if norm in ran)


def cost_records(context: Context) -> list[Record]:
    """The finished cost trials."""
    return [record for record in context.need(cost_trials(context)) if record is not None]


def step_ratio(context: Context, norm: str) -> Effect:
    """Logarithm of the seconds per step, the norm over "none"; one pair per repetition."""
    seconds = [record.times["seconds_per_step"] for record in cost_records(context)]
    return paired([math.log(s[norm] / s["none"]) for s in seconds if norm in s and "none" in s])


def judge(context: Context) -> Finding:
    """Ratio of the seconds per step, the norm over "none", timed in turns."""
    plan = context.plan
    records = cost_records(context)
    verdicts: list[Verdict] = []
    rows: list[dict[str, object]] = []
    for norm in plan.norms:
        seconds = [r.times["seconds_per_step"] for r in records]
        held = records[0].probes["bytes_for_backward"] if records else {}
        rows += [
            {
                "norm": norm,
                "repetition": i,
                "milliseconds": 1e3 * s[norm],
                "bytes": held[norm],
            }
            for i, s in enumerate(seconds)
            if norm in s
        ]
        if norm == "none":
            continue
        verdicts.append(
            Verdict(
                id="seconds",
                what=text(
                    "Seconds per training step, with norm over without",
                    "每个训练步的时间，有归一化 ÷ 无归一化",
                ),
                norm=norm,
                primary=True,
                effect=step_ratio(context, norm),
                delta=DELTA,
                claimed="less",
                style="ratio",
                unit=text("with norm over without", "（有归一化 ÷ 无归一化）"),
                depends=("machine",),
                exploratory=plan.is_exploratory(norm),
            )
        )
        if norm in held and "none" in held:
            ratio = math.log(held[norm] / held["none"])
            verdicts.append(
                Verdict(
                    id="bytes",
                    what=text(
                        "Bytes held for backward, with norm over without",
                        "为反向传播保留的内存，有归一化 ÷ 无归一化",
                    ),
                    norm=norm,
                    primary=False,
                    effect=exact(ratio, len(records)),
                    delta=DELTA,
                    claimed="less",
                    style="ratio",
                    unit=text("with norm over without", "（有归一化 ÷ 无归一化）"),
                    exploratory=plan.is_exploratory(norm),
                    note=text("counted, not sampled", "直接计数，并非抽样"),
                )
            )
    figure = Plot(
        id="seconds",
        title=text("Time of one training step", "一个训练步的时间"),
        caption=text(
            "Forward, backward and optimizer, one thread, nothing else running, all norms in "
            "turns. One dot per repetition.",
            "前向、反向与优化器更新，单线程、无其他任务，各方法轮流计时。每点为一次重复。",
        ),
        kind="points",
        x=Axis("norm", text("norm", "归一化方法"), "category"),
        y=Axis("milliseconds", text("milliseconds per step", "每步毫秒数")),
        rows=rows,
    ).to_dict()
    return Finding(verdicts, [figure])


CLAIM = Claim(
    id="cost",
    order=160,
    title=text("Takes less time per step", "减少每步训练时间"),
    textbook=text(
        "Normalization reduces training time.",
        "归一化减少训练时间。",
    ),
    measured=text(
        "The same network with each norm, one training step after the other in turns, in one "
        "process with nothing beside it; the median of each repetition, as a ratio to the network "
        "without norm. Bytes are what autograd holds between forward and backward. At least 5 % "
        "less is a difference that matters.",
        "同一网络配上各种归一化，在单个进程中、无其他任务时轮流各跑一个训练步；取每次重复的中位数，"
        "与无归一化网络相比。内存指自动求导在前向与反向之间保留的字节数。"
        "至少少 5 % 才算有意义的差别。",
    ),
    contested=text(
        "A norm adds work to every step, so a step cannot get cheaper; what can is the way to a "
        "given loss. Only the time to the target, under convergence, settles whether training "
        "gets shorter. Timed are normkit's layers, which in this version compute the plain "
        "formula; PyTorch's fused layers take less.",
        "归一化给每一步都增加了计算，单步不可能更便宜；能变短的是到达同一损失的路程。"
        "训练是否变短，要看“加速收敛”一项中达到目标的时间。计时的是 normkit 的层，"
        "本版本按公式逐步计算；PyTorch 的融合层更快。",
    ),
    advice={
        "supported": text(
            "A step got cheaper, which is unusual: check that nothing else ran beside the study.",
            "单步反而更便宜，这不寻常：请检查测量时是否有其他程序在运行。",
        ),
        "refuted": text(
            "Count the price of each step against the steps saved, in the table on top.",
            "请对照“这里该用哪种归一化方法？”一表，把每步增加的代价与省下的步数一起考虑。",
        ),
        "inconclusive": text(
            "The price of a step lies within the noise of this machine: it will not decide.",
            "单步代价淹没在本机的噪声里：它不会左右选择。",
        ),
    },
    judge=judge,
)
