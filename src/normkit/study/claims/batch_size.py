"""Statistics taken over the batch suffer when the batch is small."""

from __future__ import annotations

import math
from functools import partial

from normkit.study.bilingual import text
from normkit.study.claim import Axis, Claim, Finding, Plot
from normkit.study.context import Context, together
from normkit.study.plan import Plan
from normkit.study.record import Record
from normkit.study.spec import TrialSpec
from normkit.study.tuning import Tuned, best_rate, half_decade
from normkit.study.verdict import Verdict, paired

DELTA = 0.01
"""Smallest difference of the test error that matters: a percentage point."""


def judge(context: Context) -> Finding:
    """Test error with the smallest norm batch minus that with the largest, by seed."""
    plan = context.plan
    norms = [norm for norm in plan.arms("batch_size") if norm != "none"]
    batch = sgd_batch(plan)
    sizes = norm_batches(plan)
    tuned = _tuned(context, norms, sizes[-1])
    specs = {
        (norm, size, seed): _trial(context, norm, size, seed, tuned[norm].rate)
        for norm in norms
        # Where samples are normalised one by one only the ends are compared.
        for size in (sizes if norm == plan.headline else (sizes[0], sizes[-1]))
        for seed in plan.seeds_of(norm)
    }
    trials = dict(zip(specs, context.need(specs.values()), strict=True))
    verdicts = []
    for norm in norms:
        small, large = (
            [trials[norm, size, s] for s in plan.seeds_of(norm)] for size in (sizes[0], sizes[-1])
        )
        verdicts.append(
            Verdict(
                id="smallest",
                what=text(
                    f"Test error with statistics over {sizes[0]} images minus over {sizes[-1]}",
                    f"测试错误率：统计量取自 {sizes[0]} 张图像 − 取自 {sizes[-1]} 张",
                ),
                norm=norm,
                primary=True,
                effect=paired([_error(a) - _error(b) for a, b in zip(small, large, strict=True)]),
                delta=DELTA,
                claimed="greater",
                style="points",
                unit=text("percentage points", "个百分点"),
                exploratory=plan.is_exploratory(norm),
                undecided=context.recipe.untrained(large),
            )
        )
    return Finding(verdicts, [_figure(batch, plan.prototype.steps // 2, trials)])


def sgd_batch(plan: Plan) -> int:
    """Images of one step: twice those of the other claims, so that parts of several sizes fit."""
    return 2 * plan.prototype.batch


def norm_batches(plan: Plan) -> tuple[int, ...]:
    """The sizes of the parts that can be made of a step's images, the smallest first."""
    batch = sgd_batch(plan)
    fitting = sorted(size for size in plan.norm_batches if not batch % size)
    return tuple(fitting) if len(fitting) > 1 else (2, batch)


def _trial(context: Context, norm: str, size: int, seed: int, rate: float) -> TrialSpec:
    plan = context.plan
    return context.base(norm, seed, rate).but(
        batch=sgd_batch(plan), norm_batch=size, steps=plan.prototype.steps // 2
    )


def _tuned(context: Context, norms: list[str], size: int) -> dict[str, Tuned]:
    """Each norm's best rate at the larger batch of a step, with the largest norm batch."""
    plan, recipe = context.plan, context.recipe
    found = together(
        [
            partial(
                best_rate,
                plan,
                context.need,
                norm,
                [half_decade(recipe.rates[norm], step) for step in (-1, 0, 1)],
                plan.retuning_seeds_of(norm),
                init=recipe.init,
                depth=recipe.depth,
                batch=sgd_batch(plan),
                norm_batch=size,
                steps=plan.prototype.steps // 2,
            )
            for norm in norms
        ]
    )
    return dict(zip(norms, found, strict=True))


def _error(record: Record | None) -> float:
    return math.nan if record is None else record.value("test_error")


def _figure(
    batch: int, steps: int, trials: dict[tuple[str, int, int], Record | None]
) -> dict[str, object]:
    rows = [
        {
            "norm": norm,
            "size": size,
            "seed": seed,
            "error": 100 * error if math.isfinite(error) else None,
        }
        for (norm, size, seed), record in trials.items()
        for error in [_error(record)]
    ]
    return Plot(
        id="sizes",
        title=text("Test error by the size of the norm batch", "测试错误率与统计量所取图像数"),
        caption=text(
            f"Every step takes {batch} images, {steps} steps; statistics over the batch are taken "
            "over so many of them at a time, as in micro-batches whose gradients are accumulated. "
            "One dot per seed.",
            f"每步 {batch} 张图像，共 {steps} 步；批统计量每次取自其中若干张，"
            "如同累积梯度的微批量。每点为一个随机种子。",
        ),
        kind="points",
        x=Axis("size", text("images that statistics are taken over", "统计量所取图像数"), "log"),
        y=Axis("error", text("test error, %", "测试错误率（%）")),
        rows=rows,
    ).to_dict()


CLAIM = Claim(
    id="batch_size",
    order=150,
    title=text("Suffers from small batches", "小批量时性能下降"),
    textbook=text(
        "Normalization takes its statistics over the batch; so it must depend on how many images a "
        "batch holds.",
        "归一化的统计量取自批次，因此必然依赖于一个批次中图像的多少。",
    ),
    measured=text(
        "Every step takes the same images, twice as many as in the other claims and half as many "
        "steps; only the number of images over which statistics are taken varies, as when "
        "gradients of micro-batches are accumulated. The rate is tuned with the largest number. "
        "Judged is the test error with the smallest minus that with the largest, paired by seed, "
        "within one norm; a percentage point matters. Norms that look at each sample alone cannot "
        "depend on it; they are run all the same.",
        "每一步所用图像相同（为其他各项的两倍，步数减半），只改变统计量取自多少张图像，"
        "如同累积微批量的梯度。学习率在图像数最多时调优。评判的量是图像数最少与最多时测试错误率之差，"
        "按随机种子在同一方法内配对；相差一个百分点才算有意义。"
        "只看单个样本的方法不可能依赖于它，但同样照做。",
    ),
    contested=text(
        "Wu and He (2018): batch norm's error on ImageNet rises from 23.6 to 34.7 % as the batch "
        "falls from 32 to 2, group norm's stays at 24.1. The noise of small batches regularizes "
        "too: a little of it can help.",
        "Wu 与 He（2018）：批量从 32 减到 2 时，"
        "批归一化在 ImageNet 上的错误率从 23.6 % 升至 34.7 %，组归一化保持在 24.1 %。"
        "小批量的噪声也有正则化作用：少量噪声可能有益。",
    ),
    advice={
        "supported": text(
            "Where memory allows only few images at a time, use a norm that looks at each sample "
            "alone, or take statistics across devices.",
            "若内存只容得下少量图像，请使用只看单个样本的归一化方法，或跨设备计算统计量。",
        ),
        "refuted": text(
            "Batches as small as the smallest tried here do it no harm on these images.",
            "在这些图像上，即使小到这里所试的最小批量也无妨。",
        ),
        "inconclusive": text(
            "Whether small batches hurt these seeds cannot tell: keep the batch, or run more.",
            "这些随机种子无法判断小批量是否有害：请保持批量，或增加随机种子。",
        ),
    },
    judge=judge,
)
