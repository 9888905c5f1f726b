"""Normalization prevents over-fitting, and makes other regularization less needed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from itertools import pairwise

from normkit.study.bilingual import Text, text
from normkit.study.claim import Axis, Claim, Finding, Plot
from normkit.study.context import Context
from normkit.study.plan import PENALTIES
from normkit.study.record import Record
from normkit.study.spec import TrialSpec
from normkit.study.tuning import best_rate, grid, half_decade
from normkit.study.verdict import Verdict, paired

DELTA_GAP = -0.05
"""Smallest difference of the gap that matters, in nats of cross-entropy."""

DELTA_HELP = 0.005
"""Smallest difference of a penalty's help that matters: half a percentage point of test error."""


LEAST_LOSS = 0.005
"""The common training loss is at least this share of a guess's, so that both arms pass it."""

BAND = math.log(10) / 2
"""Half a decade: how far from the common loss, in its logarithm, checkpoints are averaged."""


def judge(context: Context) -> Finding:
    """(a) Test minus training loss at equal training loss; (b) how much less penalties help."""
    plan = context.plan
    arms = plan.arms("overfitting")
    rates = _rates(context, arms)
    tuning = {norm: _penalised(context, norm, rates[norm]) for norm in arms}
    judged = {
        (norm, seed): _trial(context, norm, seed, rates[norm]).but(test="curve")
        for norm in arms
        for seed in plan.seeds_of(norm)
    }
    strengths = [by_strength for p in tuning.values() for by_strength in p.values()]
    context.need(
        [
            *(spec for norm in arms for spec in _plain(context, norm, rates[norm])),
            *(spec for by_strength in strengths for s in by_strength.values() for spec in s),
            *judged.values(),
        ]
    )
    plain = {n: context.by_seed({s: judged[n, s] for s in plan.seeds_of(n)}) for n in arms}
    levels = {norm: _common_loss(context, norm, rates) for norm in arms if norm != "none"}
    help_, rows = _helps(context, rates, tuning, plain)
    undecided = (
        None if context.recipe.found else text("comparator never trained", "对照组从未训练成功")
    )
    verdicts: list[Verdict] = []
    for norm in arms:
        if norm == "none":
            continue
        seeds = plan.seeds_of(norm)
        level = levels[norm]
        gaps = _gap_differences(plain, norm, seeds, level)
        verdicts.append(
            Verdict(
                id="gap",
                what=text(
                    "Gap of test over training loss, at equal training loss",
                    "训练损失相同时，测试损失与训练损失之差",
                ),
                norm=norm,
                primary=True,
                effect=paired(gaps),
                delta=DELTA_GAP,
                claimed="less",
                style="difference",
                unit=text("nats", "nat"),
                exploratory=plan.is_exploratory(norm),
                undecided=undecided or _unreached(gaps, level),
                note=text(
                    f"read at a training loss of {level or 0:.3f} nats",
                    f"在训练损失为 {level or 0:.3f} nat 处读取",
                ),
            )
        )
        if not plan.penalties:
            continue
        verdicts.append(
            Verdict(
                id="reliance",
                what=text(
                    "How much less dropout, L1 and L2 lower the test error",
                    "Dropout、L1、L2 降低测试错误率的作用减少了多少",
                ),
                norm=norm,
                primary=False,
                effect=paired(
                    [
                        help_.get(("none", s), math.nan) - help_.get((norm, s), math.nan)
                        for s in seeds
                    ]
                ),
                delta=DELTA_HELP,
                claimed="greater",
                style="points",
                unit=text("percentage points", "个百分点"),
                exploratory=plan.is_exploratory(norm),
                undecided=undecided or _unfitted(level),
            )
        )
    figures = [_gap_figure(context, plain, levels)]
    return Finding(verdicts, [*figures, _help_figure(rows)] if plan.penalties else figures)


def _rates(context: Context, arms: tuple[str, ...]) -> dict[str, float]:
    """Each arm's best rate on the reduced set: of its base rate and the half-decades around it."""
    plan, recipe = context.plan, context.recipe
    if not plan.rate_for_reduced_images:
        return {norm: recipe.rates[norm] for norm in arms}
    grids = {norm: [half_decade(recipe.rates[norm], k) for k in (-1, 0, 1)] for norm in arms}
    changes = {
        "init": recipe.init,
        "depth": recipe.depth,
        "images": plan.reduced_images,
        "steps": plan.reduced_steps,
    }
    seeds = {norm: plan.retuning_seeds_of(norm) for norm in arms}
    context.need(
        spec for norm in arms for spec in grid(plan, norm, grids[norm], seeds[norm], **changes)
    )
    return {
        norm: best_rate(plan, context.need, norm, grids[norm], seeds[norm], **changes).rate
        for norm in arms
    }


def _trial(context: Context, norm: str, seed: int, rate: float) -> TrialSpec:
    plan = context.plan
    return context.base(norm, seed, rate).but(images=plan.reduced_images, steps=plan.reduced_steps)


def _with(spec: TrialSpec, penalty: str, strength: float) -> TrialSpec:
    return spec.but(**{penalty: strength})


Tuning = dict[float, list[TrialSpec]]
"""Tuning trials by strength of a penalty."""


def _plain(context: Context, norm: str, rate: float) -> list[TrialSpec]:
    """Tuning trials without a penalty."""
    seeds = context.plan.retuning_seeds_of(norm)
    return [_trial(context, norm, s, rate).but(test="never") for s in seeds]


def _penalised(context: Context, norm: str, rate: float) -> dict[str, Tuning]:
    """Tuning trials with every penalty at every strength."""
    return {
        penalty: {
            strength: [_with(spec, penalty, strength) for spec in _plain(context, norm, rate)]
            for strength in PENALTIES[penalty]
        }
        for penalty in context.plan.penalties
    }


def _common_loss(context: Context, norm: str, rates: Mapping[str, float]) -> float | None:
    """The training loss at which a norm is compared with "none"; None if either never fits.

    A little above the lowest that the slower of the two reaches in tuning. Each norm has its own,
    so that one which fits badly does not spoil the comparison of another.
    """
    guess = math.log(context.plan.classes)
    lowest = []
    for arm in ("none", norm):
        reached = [
            min((v for v in record.column("train_loss") if math.isfinite(v)), default=math.inf)
            for record in context.need(_plain(context, arm, rates[arm]))
            if record is not None
        ]
        lowest.append(statistics.median(reached or [math.inf]))
    level = max(1.5 * max(lowest), LEAST_LOSS * guess)
    return level if level < guess / 4 else None


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


def _gap_differences(
    plain: Mapping[str, Mapping[int, Record]],
    norm: str,
    seeds: tuple[int, ...],
    level: float | None,
) -> list[float]:
    """The norm's gap minus that of "none", for each seed; NaN without a partner."""
    return [
        gap_at(plain[norm][s], level) - gap_at(plain["none"][s], level)
        if level is not None and s in plain[norm] and s in plain["none"]
        else math.nan
        for s in seeds
    ]


def _unfitted(level: float | None) -> Text | None:
    """Told where an arm never fitted the reduced set: a network at chance needs no penalty."""
    if level is not None:
        return None
    return text(
        "one of the two never fitted the reduced training set",
        "两者之一从未拟合缩减后的训练集",
    )


def _unreached(gaps: list[float], level: float | None) -> Text | None:
    """Told where there is no training loss at which enough pairs can be compared."""
    if level is None:
        return _unfitted(level)
    pairs = sum(map(math.isfinite, gaps))
    if 2 * pairs > len(gaps):
        return None
    return text(
        f"only {pairs} of {len(gaps)} pairs reached the common training loss",
        f"{len(gaps)} 对中只有 {pairs} 对达到了共同的训练损失",
    )


Helps = dict[tuple[str, int], float]


def _helps(
    context: Context,
    rates: Mapping[str, float],
    tuning: Mapping[str, Mapping[str, Tuning]],
    plain: Mapping[str, Mapping[int, Record]],
) -> tuple[Helps, list[dict[str, object]]]:
    """Points of test error that penalties take away, each at the strength best in validation."""
    plan = context.plan
    chosen = {
        (norm, penalty): _best_strength(context, tuning[norm][penalty])
        for norm in rates
        for penalty in plan.penalties
    }
    specs = {
        (norm, penalty, seed): _with(_trial(context, norm, seed, rates[norm]), penalty, strength)
        for (norm, penalty), strength in chosen.items()
        for seed in plan.seeds_of(norm)
    }
    records = dict(zip(specs, context.need(specs.values()), strict=True))
    rows: list[dict[str, object]] = []
    each: dict[tuple[str, int], list[float]] = {}
    for (norm, penalty, seed), record in records.items():
        if record is None or seed not in plain[norm]:
            continue
        helped = plain[norm][seed].value("test_error") - record.value("test_error")
        each.setdefault((norm, seed), []).append(helped)
        rows.append(
            {
                "norm": norm,
                "penalty": penalty,
                "strength": chosen[norm, penalty],
                "seed": seed,
                "helped": 100 * helped if math.isfinite(helped) else None,
            }
        )
    means = {
        key: statistics.fmean(values)
        for key, values in each.items()
        if len(values) == len(plan.penalties)
    }
    return means, rows


def _best_strength(context: Context, tuning: Tuning) -> float:
    """The strength with the lowest validation loss."""

    def loss(strength: float) -> float:
        records = context.need(tuning[strength])
        values = [r.value("validation_loss") for r in records if r is not None]
        return statistics.fmean(values) if values and all(map(math.isfinite, values)) else math.inf

    return min(tuning, key=loss)


def _gap_figure(
    context: Context, plain: Mapping[str, Mapping[int, Record]], levels: Mapping[str, float | None]
) -> dict[str, object]:
    plan = context.plan
    level = levels[plan.headline]
    rows = [
        {"norm": norm, "seed": seed, "gap": gap if math.isfinite(gap) else None}
        for norm, records in plain.items()
        for seed, record in records.items()
        for gap in [math.nan if level is None else gap_at(record, level)]
    ]
    return Plot(
        id="gap",
        title=text("Gap of test over training loss", "测试损失与训练损失之差"),
        caption=text(
            f"One dot per seed, {plan.reduced_images} training images, {plan.reduced_steps} steps, "
            f"read where the training loss is {level or 0:.3f} nats. Lower is better.",
            f"每点为一个随机种子；训练图像 {plan.reduced_images} 张，{plan.reduced_steps} 步；"
            f"在训练损失为 {level or 0:.3f} nat 处读取。越低越好。",
        ),
        kind="points",
        x=Axis("norm", text("norm", "归一化方法"), "category"),
        y=Axis("gap", text("test minus training loss, nats", "测试损失 − 训练损失（nat）")),
        rows=rows,
    ).to_dict()


def _help_figure(rows: list[dict[str, object]]) -> dict[str, object]:
    return Plot(
        id="help",
        title=text("What dropout, L1 and L2 still bring", "Dropout、L1、L2 还能带来多少"),
        caption=text(
            "Percentage points of test error taken away by each penalty, at the strength that was "
            "best in validation. One dot per seed; above zero it helps.",
            "各正则化方法（强度在验证集上选定）使测试错误率降低的百分点。"
            "每点为一个随机种子；大于零表示有帮助。",
        ),
        kind="points",
        x=Axis("norm", text("norm", "归一化方法"), "category"),
        y=Axis("helped", text("points of test error saved", "测试错误率降低的百分点")),
        facet="penalty",
        facets={
            "dropout": text("dropout", "Dropout"),
            "l1": text("L1 penalty", "L1 惩罚"),
            "l2": text("L2 penalty", "L2 惩罚"),
        },
        references=[{"axis": "y", "value": 0.0, "label": text("no help", "没有帮助")}],
        rows=rows,
    ).to_dict()


CLAIM = Claim(
    id="overfitting",
    order=40,
    headline=True,
    title=text("Prevents over-fitting", "防止过拟合"),
    textbook=text(
        "Normalization has a regularizing effect: the network over-fits less and needs less "
        "dropout, L1 or L2.",
        "归一化有一定的正则化作用：网络更不容易过拟合，对 Dropout、L1、L2 正则化的依赖减少。",
    ),
    measured=text(
        "Training on so few images that a network can fit them all (how many, and at which loss, "
        "stands below the figure). (a) Test loss minus training loss, read at the same training "
        "loss for all arms, so that a norm is not rewarded for training less, nor blamed "
        "for training more; 0.05 nats matter. (b) How much less dropout, L1 and L2, each at a "
        "strength chosen in validation, lower the test error once the norm is there; half a "
        "percentage point matters.",
        "只用很少的图像训练，使网络能够完全拟合它们（张数与读取处的损失见图下说明）。（甲）"
        "在各方法训练损失相同的时刻，读取测试损失与训练损失之差，"
        "这样既不会因训练得少而占便宜，也不会因训练得多而吃亏；相差 0.05 nat 才算有意义。"
        "（乙）有了归一化之后，"
        "Dropout、L1、L2（强度在验证集上选定）降低测试错误率的作用减少了多少；"
        "相差 0.5 个百分点才算有意义。",
    ),
    contested=text(
        "Batch norm regularizes through the noise of its batch statistics, so less so at large "
        "batch; group norm fits the training set lower and tests 0.5 points worse (Wu and He "
        "2018). L2 under batch norm does not limit the function at all, it changes the effective "
        "learning rate (van Laarhoven 2017).",
        "批归一化的正则化来自批统计量的噪声，批量越大作用越小；"
        "组归一化训练损失更低，测试却差 0.5 个百分点"
        "（Wu 与 He，2018）。在批归一化下 L2 并不限制函数本身，"
        "而是改变了有效学习率（van Laarhoven 2017）。",
    ),
    advice={
        "supported": text(
            "Try the norm before other regularization, then measure again whether dropout or "
            "weight decay still adds anything.",
            "先用归一化，再考虑其他正则化；之后重新测量 Dropout 或权重衰减是否仍有帮助。",
        ),
        "refuted": text(
            "Do not count on this norm against over-fitting here: keep your regularization, or add "
            "data or augmentation.",
            "在这里不要靠它防止过拟合：请保留原有的正则化，或增加数据与数据增强。",
        ),
        "inconclusive": text(
            "Keep the regularization you have until a run with more seeds decides.",
            "在用更多随机种子得出结论之前，请保留现有的正则化。",
        ),
    },
    judge=judge,
)
