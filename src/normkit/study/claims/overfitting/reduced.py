"""Training on a reduced set, so small that every arm can fit it: rates and trials."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

from normkit.study.bilingual import Text, in_chinese, in_english, joined, text
from normkit.study.claim import Axis, Figure, Plot, band
from normkit.study.context import Context, together
from normkit.study.record import Record
from normkit.study.spec import TrialSpec
from normkit.study.tuning import Score, Tuned, best_rate, by_loss, edges_told, half_decade

LEAST_LOSS = 0.005
"""A set is fitted at this share of a guess's training loss; the common loss is no lower."""

QUORUM = 0.75
"""Share that must fit the set: of an arm's runs in tuning, and of the pairs in the verdict. Those
that do not are the ones that fit worst: with many of them left out, the rest are a selection."""


def search_rates(context: Context, arms: tuple[str, ...]) -> dict[str, Tuned]:
    """Each arm's best rate on the reduced set: its base rate, one around it, or beyond.

    The best has the lowest validation loss among the rates at which the arm fits the set: with
    fewer steps than it needs to fit, the gap is that of a network in the middle of training. By the
    loss, since once the set is fitted, that is the gap: rates that do equally well then have equal
    gaps. Between rates with equal validation *errors* it was seen to differ by more than δ. An arm
    that fits at none of its rates has the one nearest to fitting, and nothing is decided.
    """
    plan, recipe = context.plan, context.recipe
    grids = {norm: [half_decade(recipe.rates[norm], k) for k in (-1, 0, 1)] for norm in arms}
    found = together(
        [
            partial(
                best_rate,
                plan,
                context.need,
                norm,
                grids[norm],
                plan.reduced_tuning_seeds_of(norm),
                partial(_score, context, norm),
                init=recipe.init,
                depth=recipe.depth,
                images=plan.reduced_images,
                steps=plan.reduced_steps,
            )
            for norm in arms
        ]
    )
    return dict(zip(arms, found, strict=True))


def rates_figure(context: Context, tuned: Mapping[str, Tuned]) -> Figure:
    """What the choice of each arm's rate rests on."""
    rows: list[dict[str, object]] = []
    for norm, search in tuned.items():
        for rate, runs in sorted(search.runs.items()):
            losses = [run.value("validation_loss") for run in runs]
            if _fits(context, norm, runs):
                rows.append(
                    {
                        "norm": norm,
                        "rate": rate,
                        **band("validation_loss", losses),
                        "chosen": rate == search.rate,
                    }
                )
    drawn = list(dict.fromkeys(str(row["norm"]) for row in rows if row["chosen"]))
    return Plot(
        id="rates",
        title=text("How the rates were chosen", "学习率是怎样选定的"),
        caption=joined(
            text(
                "Validation loss at the end of training on the reduced set: the rate with the "
                "lowest mean is taken (upright line). The band spans all tuning seeds. Rates at "
                "which fewer than three quarters of the runs fitted the set, or one diverged, are "
                "left out.",
                "在缩减训练集上训练结束时的验证损失：取均值最低的学习率（竖线）。"
                "色带为所有调优随机种子的范围。能够拟合的运行不足四分之三、或有运行发散的学习率未画出。",
            ),
            _without_a_rate([norm for norm in tuned if norm not in drawn]),
            edges_told([norm for norm in drawn if tuned[norm].at_edge]),
        ),
        kind="lines",
        x=Axis("rate", text("learning rate", "学习率"), "log"),
        y=Axis("validation_loss", text("validation loss, nats", "验证损失（nat）")),
        low="low",
        high="high",
        rows=rows,
        references=[
            {"axis": "x", "value": rate, "label": text(names, names)}
            for rate in sorted({tuned[norm].rate for norm in drawn})
            for names in [", ".join(norm for norm in drawn if tuned[norm].rate == rate)]
        ],
    ).to_dict()


def _without_a_rate(norms: Sequence[str]) -> Text:
    if not norms:
        return text("", "")
    return text(
        f" At none of its rates did {in_english(norms)} fit the set: the nearest to it is taken, "
        "and nothing is decided.",
        f"{in_chinese(norms)} 在所试的学习率下均未能拟合：取最接近拟合者，且不下结论。",
    )


def _least(context: Context) -> float:
    return LEAST_LOSS * math.log(context.plan.classes)


def _reached(context: Context, norm: str, records: Sequence[Record]) -> float:
    """The training loss that a quorum of the tuning runs comes down to, each at its lowest."""
    lowest = [
        min((v for v in record.column("train_loss") if math.isfinite(v)), default=math.inf)
        for record in records
    ]
    # A run that failed never came down.
    lowest += [math.inf] * (len(context.plan.reduced_tuning_seeds_of(norm)) - len(lowest))
    return sorted(lowest)[math.ceil(QUORUM * len(lowest)) - 1]


def _score(context: Context, norm: str, records: Sequence[Record]) -> Score:
    """Validation loss where the set is fitted; elsewhere worse, by how far the runs are from it."""
    if _fits(context, norm, records):
        return 0.0, *by_loss(records)
    return 1.0, _reached(context, norm, records)


def _fits(context: Context, norm: str, records: Sequence[Record]) -> bool:
    """Whether a quorum of the tuning runs fits the set, and none diverges."""
    none_diverges = all(map(math.isfinite, by_loss(records)))
    return none_diverges and _reached(context, norm, records) <= _least(context)


def reduced_trial(context: Context, norm: str, seed: int, rate: float) -> TrialSpec:
    """A judged trial on the reduced set."""
    plan = context.plan
    return context.base(norm, seed, rate).but(images=plan.reduced_images, steps=plan.reduced_steps)


def tuning_trials(
    context: Context, norm: str, rate: float, seeds: Sequence[int]
) -> list[TrialSpec]:
    """The trials, on tuning seeds, that the common loss and the penalties are chosen by."""
    return [reduced_trial(context, norm, s, rate).but(test="never") for s in seeds]


def common_loss(context: Context, norm: str, rates: Mapping[str, float]) -> float | None:
    """The training loss at which a norm is compared with "none"; None if either does not fit.

    A little above what a quorum of the runs of either reaches in tuning. Where one does not fit,
    there is none: read in the middle of its training, the gap can be the other way round.
    """
    reached = []
    for arm in ("none", norm):
        seeds = context.plan.reduced_tuning_seeds_of(arm)
        asked = context.need(tuning_trials(context, arm, rates[arm], seeds))
        records = [record for record in asked if record is not None]
        if not _fits(context, arm, records):
            return None
        reached.append(_reached(context, arm, records))
    return max(1.5 * max(reached), _least(context))


def unfitted(level: float | None) -> Text | None:
    """Told where an arm does not fit the reduced set: a network at chance needs no penalty."""
    if level is not None:
        return None
    return text(
        "one of the two did not fit the reduced training set: in tuning fewer than three quarters "
        "of its runs did, or one diverged",
        "两种方法之一未能拟合缩减后的训练集：调优时能够拟合的运行不足四分之三，或有运行发散",
    )
