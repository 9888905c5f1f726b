"""Normalization performs better on new data."""

from __future__ import annotations

from normkit.study.bilingual import text
from normkit.study.claim import Axis, Claim, Finding, Plot
from normkit.study.context import Context, Runs, differences
from normkit.study.verdict import Verdict, paired

DELTA_ERROR = -0.005
"""Smallest difference of the test error that matters: half a percentage point."""

DELTA_LOSS = -0.05
"""Smallest difference of the test loss that matters, in nats."""


def judge(context: Context) -> Finding:
    """Test error at equal budget, each arm tuned: the norm minus "none", by seed."""
    plan = context.plan
    runs = context.base_runs(plan.norms)
    verdicts: list[Verdict] = []
    for norm in plan.norms:
        if norm == "none":
            continue
        seeds = plan.seeds_of(norm)
        verdicts += [
            Verdict(
                id="error",
                what=text(
                    "Test error at equal budget, each at its own best rate",
                    "训练步数相同时的测试错误率（各用自己的最佳学习率）",
                ),
                norm=norm,
                primary=True,
                effect=paired(differences(runs, norm, seeds, lambda r: r.value("test_error"))),
                delta=DELTA_ERROR,
                claimed="less",
                style="points",
                unit=text("percentage points", "个百分点"),
                exploratory=plan.is_exploratory(norm),
                undecided=context.recipe.no_comparator,
            ),
            Verdict(
                id="loss",
                what=text(
                    "Test loss at equal budget, each at its own best rate",
                    "训练步数相同时的测试损失（各用自己的最佳学习率）",
                ),
                norm=norm,
                primary=False,
                effect=paired(differences(runs, norm, seeds, lambda r: r.value("test_loss"))),
                delta=DELTA_LOSS,
                claimed="less",
                style="difference",
                unit=text("nats", "nat"),
                exploratory=plan.is_exploratory(norm),
                undecided=context.recipe.no_comparator,
            ),
        ]
    return Finding(verdicts, [_errors(runs)])


def _errors(runs: Runs) -> dict[str, object]:
    parts = {"train": "train_accuracy", "test": "test_error"}
    rows = [
        {
            "norm": norm,
            "part": part,
            "seed": seed,
            "error": 100 * (1 - record.value(name) if part == "train" else record.value(name)),
        }
        for part, name in parts.items()
        for norm, by_seed in runs.items()
        for seed, record in by_seed.items()
    ]
    return Plot(
        id="error",
        title=text("Error at the end of training", "训练结束时的错误率"),
        caption=text(
            "One dot per seed, each norm at its own best rate. Left: on a fixed part of the "
            "training images. Right: on the test images, which no choice has seen.",
            "每点为一个随机种子，各用自己的最佳学习率。左：在固定的一部分训练图像上。"
            "右：在测试图像上，任何选择都没有用过它们。",
        ),
        kind="points",
        x=Axis("norm", text("norm", "归一化方法"), "category"),
        y=Axis("error", text("error, %", "错误率（%）")),
        facet="part",
        facets={
            "train": text("training images", "训练图像"),
            "test": text("test images", "测试图像"),
        },
        rows=rows,
    ).to_dict()


CLAIM = Claim(
    id="generalisation",
    order=50,
    title=text("Performs better on new data", "提高泛化性能"),
    textbook=text(
        "A network with normalization performs better on data it has not seen.",
        "使用归一化的网络在未见过的数据上表现更好。",
    ),
    measured=text(
        "Each arm trains on all training images for the same number of steps, at the learning "
        "rate that is best for it in validation. Judged is the error on the test images, which "
        "are read once, paired by seed; half a percentage point matters. The test loss stands "
        "beside it.",
        "各方法用全部训练图像训练相同的步数，学习率按验证集各自选定。评判的量是测试图像上的错误率"
        "（测试集只读一次），按随机种子配对；相差半个百分点才算有意义。测试损失列在旁边。",
    ),
    contested=text(
        "At a fixed budget a lower test error may only mean that training got further: compare the "
        "training error beside it, and the gap at equal training loss under over-fitting. The two "
        "can disagree. With more steps the difference may shrink.",
        "在固定预算下，测试错误率更低可能只是因为训练走得更远：请对照旁边的训练错误率，"
        "以及“防止过拟合”中相同训练损失处的差距。两者可能不一致。训练更久，差别也可能缩小。",
    ),
    advice={
        "supported": text(
            "At this budget the norm gives the lower test error; train both longer before you "
            "conclude that it does so at any.",
            "在这个预算下，它的测试错误率更低；若要断言任何预算下都如此，请先把两者都训练得更久。",
        ),
        "refuted": text(
            "Do not expect a lower test error from this norm here.",
            "在这里不要指望它降低测试错误率。",
        ),
        "inconclusive": text(
            "The seeds differ more than the arms do: more seeds or a larger test set would tell.",
            "随机种子之间的差别大于方法之间的差别：需要更多随机种子或更大的测试集。",
        ),
    },
    judge=judge,
)
