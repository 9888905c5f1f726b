"""Training on a reduced set, so small that every arm can fit it: rates and trials."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from normkit.study.bilingual import Text, text
from normkit.study.context import Context, together
from normkit.study.record import Record
from normkit.study.spec import TrialSpec
from normkit.study.tuning import best_rate, half_decade

LEAST_LOSS = 0.005
"""A set is fitted at this share of a guess's training loss; the common loss is no lower."""


def tuned_rates(context: Context, arms: tuple[str, ...]) -> dict[str, float]:
    """Each arm's best rate on the reduced set: its base rate, one around it, or beyond.

    Among rates at which the arm fits the set: with fewer steps than it needs to fit, the gap is
    that of a network in the middle of training.
    """
    plan, recipe = context.plan, context.recipe
    if not plan.rate_for_reduced_images:
        return {norm: recipe.rates[norm] for norm in arms}
    grids = {norm: [half_decade(recipe.rates[norm], k) for k in (-1, 0, 1)] for norm in arms}
    found = together(
        [
            partial(
                best_rate,
                plan,
                context.need,
                norm,
                grids[norm],
                plan.tuning_seeds_of(norm),
                partial(_fits, context),
                init=recipe.init,
                depth=recipe.depth,
                images=plan.reduced_images,
                steps=plan.reduced_steps,
            )
            for norm in arms
        ]
    )
    return {norm: tuned.rate for norm, tuned in zip(arms, found, strict=True)}


def _least(context: Context) -> float:
    return LEAST_LOSS * math.log(context.plan.classes)


def _lowest(records: Iterable[Record]) -> float:
    """Median over seeds of the lowest training loss along the way."""
    reached = [
        min((v for v in record.column("train_loss") if math.isfinite(v)), default=math.inf)
        for record in records
    ]
    return statistics.median(reached or [math.inf])


def _fits(context: Context, records: Sequence[Record]) -> bool:
    return _lowest(records) <= _least(context)


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
    """The training loss at which a norm is compared with "none"; None if either never fits.

    A little above the lowest that the slower of the two reaches in tuning. Each norm has its own,
    so that one which fits badly does not spoil the comparison of another.
    """
    plan = context.plan
    lowest = [
        _lowest(
            record
            for record in context.need(
                tuning_trials(context, arm, rates[arm], plan.tuning_seeds_of(arm))
            )
            if record is not None
        )
        for arm in ("none", norm)
    ]
    level = max(1.5 * max(lowest), _least(context))
    return level if level < math.log(plan.classes) / 4 else None


def unfitted(level: float | None) -> Text | None:
    """Told where an arm never fitted the reduced set: a network at chance needs no penalty."""
    if level is not None:
        return None
    return text(
        "one of the two never fitted the reduced training set",
        "两种方法之一始终未能拟合缩减后的训练集",
    )
