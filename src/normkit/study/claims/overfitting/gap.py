"""Test minus training loss, compared at equal training loss."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from itertools import pairwise

from normkit.study.bilingual import Text, joined, text
from normkit.study.claim import Axis, Figure, Plot, band
from normkit.study.claims.overfitting.reduced import (
    LEAST_LOSS,
    QUORUM,
    common_loss,
    reduced_trial,
    unfitted,
)
from normkit.study.context import Context
from normkit.study.plan import Plan
from normkit.study.record import Record
from normkit.study.spec import TrialSpec
from normkit.study.verdict import Verdict, paired

DELTA = -0.05
"""Smallest difference of the gap that matters, in nats of cross-entropy."""

BAND = math.log(10) / 2
"""Half a decade: how far from the common loss, in its logarithm, checkpoints are averaged."""

GAP_AXIS = Axis("gap", text("test minus training loss, nats", "测试损失 − 训练损失（nat）"))

Runs = Mapping[str, Mapping[int, Record]]
"""Judged trials by norm and seed."""


def trials(context: Context, norm: str, rate: float) -> dict[int, TrialSpec]:
    """The judged trials of a norm, by seed: their test loss is followed along the way."""
    seeds = context.plan.gap_seeds_of(norm)
    return {s: reduced_trial(context, norm, s, rate).but(test="curve") for s in seeds}


def judge(
    context: Context, rates: Mapping[str, float], undecided: Text | None
) -> tuple[list[Verdict], list[Figure]]:
    """The verdict on each norm's gap, and the figures that show what it rests on."""
    plan = context.plan
    runs = {norm: context.by_seed(trials(context, norm, rates[norm])) for norm in rates}
    levels = {norm: common_loss(context, norm, rates) for norm in rates if norm != "none"}
    verdicts = [
        _verdict(plan, runs, norm, level, rates, undecided) for norm, level in levels.items()
    ]
    level = levels.get(plan.headline)
    return verdicts, [_at_level(plan, runs, level), along_training(plan, runs, level)]


def _verdict(
    plan: Plan,
    runs: Runs,
    norm: str,
    level: float | None,
    rates: Mapping[str, float],
    undecided: Text | None,
) -> Verdict:
    gaps = _differences(runs, norm, plan.gap_seeds_of(norm), level)
    pairs = sum(map(math.isfinite, gaps))
    return Verdict(
        id="gap",
        what=text(
            "Gap of test over training loss, at equal training loss",
            "训练损失相同时，测试损失与训练损失之差",
        ),
        norm=norm,
        primary=True,
        effect=paired(gaps),
        delta=DELTA,
        claimed="less",
        style="difference",
        unit=text("nats", "nat"),
        exploratory=plan.is_exploratory(norm),
        undecided=undecided or unreached(gaps, level),
        note=joined(
            text("", "")
            if level is None
            else text(
                f"read at a training loss of {level:.3f} nats, which {pairs} of {len(gaps)} pairs "
                "reached; ",
                f"在训练损失为 {level:.3f} nat 处读取，{len(gaps)} 对中有 {pairs} 对达到；",
            ),
            text(
                f"learning rate {rates[norm]:g} with `{norm}`, {rates['none']:g} with `none`",
                f"学习率：`{norm}` 为 {rates[norm]:g}，`none` 为 {rates['none']:g}",
            ),
        ),
    )


def gap_at(record: Record, level: float) -> float:
    """Test minus training loss where the training loss is `level`; NaN if it never is.

    Read between the mean of the checkpoints half a decade above the level and that of those half
    a decade below it, in proportion to the logarithm: a single reading would be as noisy as the
    evaluation of a network in the middle of training. Where a side has none, its checkpoint
    nearest to the crossing is taken.
    """
    points = [
        (math.log(train / level), test - train)
        for train, test in zip(record.column("train_loss"), record.column("test_loss"), strict=True)
        if math.isfinite(train + test) and train > 0
    ]
    above = [point for point in points if 0 <= point[0] <= BAND]
    below = [point for point in points if -BAND <= point[0] < 0]
    crossing = next(((a, b) for a, b in pairwise(points) if a[0] >= 0 > b[0]), None)
    if crossing is None:
        return math.nan
    high, gap_above = map(statistics.fmean, zip(*(above or crossing[:1]), strict=True))
    low, gap_below = map(statistics.fmean, zip(*(below or crossing[1:]), strict=True))
    return gap_below + (gap_above - gap_below) * low / (low - high)


def _differences(runs: Runs, norm: str, seeds: Sequence[int], level: float | None) -> list[float]:
    """The norm's gap minus that of "none", for each seed; NaN without a partner."""
    return [
        gap_at(runs[norm][s], level) - gap_at(runs["none"][s], level)
        if level is not None and s in runs[norm] and s in runs["none"]
        else math.nan
        for s in seeds
    ]


def unreached(gaps: list[float], level: float | None) -> Text | None:
    """Told where there is no training loss at which enough pairs can be compared."""
    if level is None:
        return unfitted(level)
    pairs = sum(map(math.isfinite, gaps))
    if pairs >= QUORUM * len(gaps):
        return None
    return text(
        f"only {pairs} of {len(gaps)} pairs reached the common training loss",
        f"{len(gaps)} 对中只有 {pairs} 对达到了共同的训练损失",
    )


def _at_level(plan: Plan, runs: Runs, level: float | None) -> Figure:
    rows = [
        {"norm": norm, "seed": seed, "gap": gap if math.isfinite(gap) else None}
        for norm, records in runs.items()
        for seed, record in records.items()
        for gap in [math.nan if level is None else gap_at(record, level)]
    ]
    read = (
        text("not read, since one of the two did not fit them", "两者之一未能拟合，故未读取")
        if level is None
        else text(
            f"read where the training loss is {level:.3f} nats, as for `{plan.headline}`",
            f"在训练损失为 {level:.3f} nat 处（与 `{plan.headline}` 相同）读取",
        )
    )
    return Plot(
        id="gap",
        title=text("Gap of test over training loss", "测试损失与训练损失之差"),
        caption=text(
            f"One dot per seed, {plan.reduced_images} training images, {plan.reduced_steps} steps, "
            f"{read['en']}. Lower is better.",
            f"每点为一个随机种子；训练图像 {plan.reduced_images} 张，{plan.reduced_steps} 步；"
            f"{read['zh']}。越低越好。",
        ),
        kind="points",
        x=Axis("norm", text("norm", "归一化方法"), "category"),
        y=GAP_AXIS,
        rows=rows,
    ).to_dict()


def along_training(plan: Plan, runs: Runs, level: float | None) -> Figure:
    """The gap at other training losses than the one judged, where it can be another story."""
    lowest = level or LEAST_LOSS * math.log(plan.classes)
    count = max(round(4 * math.log10(math.log(plan.classes) / 2 / lowest)), 1)
    levels = [lowest * 10 ** (i / 4) for i in range(count + 1)]
    rows: list[dict[str, object]] = []
    for norm, records in runs.items():
        for loss in levels:
            gaps = [gap for r in records.values() if math.isfinite(gap := gap_at(r, loss))]
            # A mean over the few seeds that come there would be one over other seeds.
            if 2 * len(gaps) > len(records):
                rows.append(
                    {
                        "norm": norm,
                        "train_loss": loss,
                        **band("gap", gaps),
                    }
                )
    return Plot(
        id="gapalong_training",
        title=text("The gap along training", "训练过程中的差距"),
        caption=text(
            "Mean over seeds; the band spans all of them. Training goes from right to left: the "
            "lower the training loss, the wider the gap, so that arms can only be compared at "
            "the same loss. The line marks where the verdict reads it.",
            "对各随机种子取平均；色带为所有随机种子的范围。训练从右向左进行：训练损失越低，差距越大，"
            "因此只能在相同的训练损失处比较。竖线为结论的读取处。",
        ),
        kind="lines",
        x=Axis("train_loss", text("training loss, nats", "训练损失（nat）"), "log"),
        y=GAP_AXIS,
        low="low",
        high="high",
        rows=rows,
        references=[
            {"axis": "x", "value": float(f"{at:.2g}"), "label": text("read here", "在此读取")}
            for at in [level]
            if at is not None
        ],
    ).to_dict()
