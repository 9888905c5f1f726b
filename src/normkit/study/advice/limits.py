"""What would change the advice, and what was not tested."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from normkit.nn.catalogue import catalogue
from normkit.report import formats
from normkit.study.advice.measured import (
    Judged,
    apart,
    effect_text,
    error_text,
    find,
    is_clear,
    lower,
    percent,
)
from normkit.study.arms import arms
from normkit.study.bilingual import Text, in_chinese, in_english, text
from normkit.study.claims import claims
from normkit.study.context import Context, Runs

STILL_LEARNING = 0.1
"""Share by which the training loss must fall between the last two checkpoints to count."""

WORTH_TELLING = 0.01
"""Points of test error, as a share, from which a condition is told."""

CONDITIONS: tuple[tuple[str, str, Text], ...] = (
    (
        "batch_size",
        "smallest",
        text("If only few images fit into memory at a time", "若内存一次只容得下少量图像"),
    ),
    (
        "scale",
        "test_time",
        text("If inputs change their scale once training is over", "若训练结束后输入的尺度会改变"),
    ),
)
"""Claim and verdict, in points of error that a condition costs, and the condition in words."""


def change(runs: Runs, ranked: Sequence[str], judged: Judged) -> list[Text]:
    """What else the study measured that would speak for another choice."""
    return [
        *_more_seeds(runs, ranked),
        *_more_steps(runs, ranked[0]),
        *_less_time(runs, ranked[0], judged),
        *_conditions(ranked, judged),
    ]


def _more_seeds(runs: Runs, ranked: Sequence[str]) -> list[Text]:
    best = ranked[0]
    close = [norm for norm in ranked[1:] if not is_clear(apart(runs, norm, best))]
    if not close:
        return []
    tied = [best, *close]
    counts = ", ".join(f"`{norm}` {len(runs[norm])}" for norm in tied)
    return [
        text(
            f"More seeds: the order of {in_english(tied)} is not settled (seeds: {counts}).",
            f"更多随机种子：{in_chinese(tied)} 的先后尚未确定"
            f"（随机种子数：{counts.replace(', ', '、')}）。",
        )
    ]


def _more_steps(runs: Runs, best: str) -> list[Text]:
    """Told where the network without norm was still learning when training ended."""
    falls, spans = [], []
    for record in runs.get("none", {}).values() if best != "none" else ():
        losses, steps = record.column("train_loss"), record.column("step")
        if len(losses) > 1 and losses[-2] > 0 and math.isfinite(losses[-1]):
            falls.append(1 - losses[-1] / losses[-2])
            spans.append(steps[-1] - steps[-2])
    if not falls or (fall := statistics.median(falls)) < STILL_LEARNING:
        return []
    span = round(statistics.median(spans))
    return [
        text(
            "More steps: the network without norm was still learning when training ended (its "
            f"training loss fell by {percent(fall)} over the last {span} steps).",
            "更多训练步数：训练结束时无归一化的网络仍在学习"
            f"（最后 {span} 步中训练损失下降了 {percent(fall)}）。",
        )
    ]


def _less_time(runs: Runs, best: str, judged: Judged) -> list[Text]:
    """The arm whose steps take the least time, where that is not the best."""
    ratios = {
        norm: verdict.effect.value
        for norm in runs
        if norm != "none" and (verdict := find(judged, "cost", "seconds", norm))
    }
    if ratios:
        ratios["none"] = 0.0
    cheapest = min(ratios, key=lambda norm: ratios[norm], default=best)
    if cheapest == best or best not in ratios:
        return []
    factor = formats.number(math.exp(ratios[best] - ratios[cheapest]))
    error = error_text(runs[cheapest])
    return [
        text(
            f"If the time of a step is what limits you: `{cheapest}` takes the least, `{best}` "
            f"×{factor} as long; but the test error of `{cheapest}` is {error}.",
            f"若受限于每步的时间：`{cheapest}` 最省时，`{best}` 的时间是它的 ×{factor}；"
            f"但 `{cheapest}` 的测试错误率为 {error}。",
        )
    ]


def _conditions(ranked: Sequence[str], judged: Judged) -> list[Text]:
    best, found = ranked[0], []
    for claim, id_, condition in CONDITIONS:
        mine = find(judged, claim, id_, best)
        if mine is None or mine.effect.value < WORTH_TELLING:
            continue
        measured = {norm: find(judged, claim, id_, norm) for norm in ranked}
        lower_ones = {
            norm: effect_text(verdict)
            for norm, verdict in measured.items()
            if verdict and verdict.effect.value <= mine.effect.value
        }
        what = mine.what
        found.append(
            text(
                f"{condition['en']}: {lower(what['en'])}, "
                + "; ".join(f"`{norm}` {told['en']}" for norm, told in lower_ones.items())
                + ".",
                f"{condition['zh']}：{what['zh']}，"
                + "；".join(f"`{norm}` {told['zh']}" for norm, told in lower_ones.items())
                + "。",
            )
        )
    return found


MOST_NAMED = 6
"""So many untested norms are named; of more only their number is told."""


def untested(context: Context, ranked: Sequence[str]) -> list[Text]:
    """What the study says nothing of: arms, too, that never trained or whose trials failed."""
    plan = context.plan
    lost = [norm for norm in plan.norms if norm not in ranked]
    others = [name for name in arms() if name in catalogue() and name not in plan.norms]
    missing = [name for name in claims() if name not in plan.claims]
    steps = plan.prototype.steps
    found = [
        text(
            f"Other networks and images than these, and other budgets than {steps} steps.",
            f"其他网络与图像，以及 {steps} 步以外的预算。",
        )
    ]
    if lost:
        found.append(
            text(
                f"Whether {in_english(lost)} would do well where they train: here most of their "
                "networks did not, or their trials failed.",
                f"{in_chinese(lost)} 若能训练成功会怎样：在这里它们的多数网络未训练成功，"
                "或试验出错。",
            )
        )
    if others:
        more = f"{len(others)} more" if len(others) > MOST_NAMED else in_english(others)
        more_zh = f"另外 {len(others)} 种" if len(others) > MOST_NAMED else in_chinese(others)
        found.append(
            text(
                f"Of the norms in the catalogue (`normkit list norms`): {more}.",
                f"归一化方法目录（`normkit list norms`）中的：{more_zh}。",
            )
        )
    if missing:
        found.append(
            text(f"Of the claims: {in_english(missing)}.", f"论断中的：{in_chinese(missing)}。")
        )
    return [*found, *plan.dropped]
