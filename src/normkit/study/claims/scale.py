"""Normalization adapts to features of different scales."""

from __future__ import annotations

import math
import statistics
from functools import partial

from normkit.study.bilingual import text
from normkit.study.claim import Axis, Claim, Finding, Plot
from normkit.study.context import Context, Runs, both, differences
from normkit.study.record import Record
from normkit.study.spec import TrialSpec
from normkit.study.verdict import Verdict, paired

PROBE = ("scale",)

DELTA = -0.02
"""Smallest difference of added test error that matters: two percentage points."""


def judge(context: Context) -> Finding:
    """Test error that scaled inputs add, retrained on them: the norm minus "none", by seed."""
    plan, recipe = context.plan, context.recipe
    arms = plan.arms("scale")
    scaled = {
        (norm, scale, seed): _trial(context, norm, scale, seed)
        for norm in arms
        for scale in plan.input_scales
        for seed in plan.seeds_of(norm)
    }
    runs, records = both(
        partial(context.base_runs, arms, PROBE), partial(context.need, scaled.values())
    )
    again_on = dict(zip(scaled, records, strict=True))

    def added(record: Record) -> float:
        """Points of error that retraining on scaled inputs adds, over scales."""
        norm, seed = record.spec.norm, record.spec.seed
        errors = [
            again.value("test_error") if (again := again_on[norm, scale, seed]) else math.nan
            for scale in plan.input_scales
        ]
        return statistics.fmean(errors) - record.value("test_error")

    verdicts: list[Verdict] = []
    for norm in arms:
        if norm == "none":
            continue
        for id_, value in (("retrained", added), ("test_time", added_in_test)):
            verdicts.append(
                Verdict(
                    id=id_,
                    what=WHAT[id_],
                    norm=norm,
                    primary=id_ == "retrained",
                    effect=paired(differences(runs, norm, plan.seeds_of(norm), value)),
                    delta=DELTA,
                    claimed="less",
                    style="points",
                    unit=text("percentage points", "个百分点"),
                    exploratory=plan.is_exploratory(norm),
                    undecided=recipe.no_comparator or recipe.untrained(runs[norm].values()),
                )
            )
    return Finding(verdicts, [_retrained(runs, again_on), _in_test(runs)])


WHAT = {
    "retrained": text(
        "Test error added when training and test inputs are scaled, with norm minus without",
        "训练与测试输入都缩放时测试错误率的增加量，有归一化 − 无归一化",
    ),
    "test_time": text(
        "Test error added when only the test inputs are scaled, with norm minus without",
        "仅测试输入缩放时测试错误率的增加量，有归一化 − 无归一化",
    ),
}


def _trial(context: Context, norm: str, scale: float, seed: int) -> TrialSpec:
    return context.base(norm, seed).but(input_scale=scale)


def added_in_test(record: Record) -> float:
    """Points of error that scaling the test images alone adds, over scales."""
    errors = record.probes["scale"].get("end", {}).get("test_error")
    if not errors:
        return math.nan
    return statistics.fmean(e for scale, e in errors.items() if scale != "1") - float(errors["1"])


def _retrained(
    base: Runs, records: dict[tuple[str, float, int], Record | None]
) -> dict[str, object]:
    runs = {(norm, 1.0, s): r for norm, by_seed in base.items() for s, r in by_seed.items()}
    rows = [
        {
            "norm": norm,
            "scale": scale,
            "seed": seed,
            "error": 100 * error if math.isfinite(error) else None,
        }
        for (norm, scale, seed), record in sorted((runs | records).items())
        if record is not None
        for error in [record.value("test_error")]
    ]
    return Plot(
        id="retrained",
        title=text("Trained anew on scaled inputs", "用缩放后的输入重新训练"),
        caption=text(
            "Test error of networks whose training and test images are multiplied by the same "
            "factor after they have been standardised, each at its own best rate for factor 1. "
            "One dot per seed.",
            "训练与测试图像在标准化之后乘以同一倍数时网络的测试错误率，"
            "各用倍数为 1 时自己的最佳学习率。每点为一个随机种子。",
        ),
        kind="points",
        x=Axis("scale", text("inputs multiplied by", "输入乘以"), "log"),
        y=Axis("error", text("test error, %", "测试错误率（%）")),
        rows=rows,
    ).to_dict()


def _in_test(base: Runs) -> dict[str, object]:
    rows = [
        {"norm": norm, "scale": float(scale), "seed": seed, "error": 100 * error}
        for norm, by_seed in base.items()
        for seed, record in by_seed.items()
        for scale, error in record.probes["scale"].get("end", {}).get("test_error", {}).items()
    ]
    return Plot(
        id="test_time",
        title=text("Only the test inputs scaled", "仅测试输入缩放"),
        caption=text(
            "Test error of the trained networks, on at most 512 test images, when these alone are "
            "multiplied by a factor. Norms with running statistics divide by those of the training "
            "images. One dot per seed.",
            "仅将测试图像（至多 512 张）乘以某一倍数时，已训练网络的测试错误率。"
            "使用滑动统计量的方法除以的是训练图像的统计量。"
            "每点为一个随机种子。",
        ),
        kind="points",
        x=Axis("scale", text("test inputs multiplied by", "测试输入乘以"), "log"),
        y=Axis("error", text("test error, %", "测试错误率（%）")),
        rows=rows,
    ).to_dict()


CLAIM = Claim(
    id="scale",
    order=120,
    title=text("Adapts to the scale of its inputs", "适应不同尺度的输入"),
    textbook=text(
        "Normalization lets a network adapt to data of different scales and features.",
        "归一化使网络适应不同尺度、不同特征的数据。",
    ),
    measured=text(
        "Each arm is trained anew on inputs multiplied by a hundredth and by a hundred (a small "
        "budget tries one of them), at the best rate it has for inputs as they are. Judged is the "
        "test error that this adds, paired by seed, with the norm minus without; two percentage "
        "points matter. Apart from it, what it adds when only test images, at most 512 of them, "
        "are multiplied by a tenth and by ten.",
        "将输入分别乘以百分之一和一百（预算小时只取其一）重新训练各方法，"
        "学习率为输入不缩放时的最佳值。评判的量是由此增加的"
        "测试错误率，按随机种子配对，有归一化 − 无归一化；相差两个百分点才算有意义。"
        "另外单独测量仅把测试图像（至多 512 张）乘以十分之一和十时增加的错误率。",
    ),
    contested=text(
        "That a network trains on scaled inputs is no robustness to other domains. Where only the "
        "test inputs change, running statistics are those of the old scale: batch norm can lose "
        "more than a network without norm, while norms over the sample adapt.",
        "能在缩放后的输入上训练，并不等于对其他领域稳健。"
        "若只有测试输入改变，滑动统计量仍属于旧的尺度："
        "批归一化的损失可能比无归一化的网络更大，而在样本内归一化的方法会随之适应。",
    ),
    advice={
        "supported": text(
            "The norm forgives inputs that were not standardised in training; for a scale that "
            "changes after training look at the second verdict.",
            "它能容忍训练时未经标准化的输入；若尺度在训练之后才改变，请看第二个结论。",
        ),
        "refuted": text(
            "Standardise the inputs: the norm does not make up for it here.",
            "请对输入做标准化：在这里它弥补不了。",
        ),
        "inconclusive": text(
            "Standardise the inputs, which costs nothing, until more seeds tell.",
            "在用更多随机种子得出结论之前，请先对输入做标准化，这没有代价。",
        ),
    },
    judge=judge,
)
