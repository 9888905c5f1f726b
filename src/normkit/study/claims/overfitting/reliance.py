"""How much less dropout, L1 and L2 help once a norm is there."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping

from normkit.study.bilingual import Text, text
from normkit.study.claim import Axis, Figure, Plot
from normkit.study.claims.overfitting import gap
from normkit.study.claims.overfitting.reduced import (
    common_loss,
    reduced_trial,
    tuning_trials,
    unfitted,
)
from normkit.study.context import Context
from normkit.study.optimizer import strengths
from normkit.study.plan import Plan
from normkit.study.record import Record
from normkit.study.spec import TrialSpec
from normkit.study.verdict import Verdict, paired

DELTA = 0.005
"""Smallest difference of a penalty's help that matters: half a percentage point of test error."""


def judge(
    context: Context, rates: Mapping[str, float], undecided: Text | None
) -> tuple[list[Verdict], list[Figure]]:
    """The verdict on how much less a norm's network relies on penalties, and its figure."""
    plan = context.plan
    tuning = {norm: _penalised(context, norm, rates[norm]) for norm in rates}
    # In one request, so that the workers are not idle between them.
    context.need(
        [
            spec
            for penalties in tuning.values()
            for by_strength in penalties.values()
            for specs in by_strength.values()
            for spec in specs
        ]
    )
    plain = {norm: context.by_seed(_plain(context, norm, rates[norm])) for norm in rates}
    chosen = {
        (norm, penalty): _best_strength(context, tuning[norm][penalty])
        for norm in rates
        for penalty in plan.penalties
    }
    if not any(chosen["none", penalty] for penalty in plan.penalties):
        undecided = undecided or text(
            "no penalty helped the network without norm, so that there is nothing to rely on less",
            "没有任何一种正则化对无归一化的网络有帮助，无从谈减少依赖",
        )
    helps, rows = _helps(context, rates, chosen, plain)
    verdicts = [
        Verdict(
            id="reliance",
            what=_what(plan),
            norm=norm,
            primary=True,
            effect=paired(
                [
                    helps.get(("none", s), math.nan) - helps.get((norm, s), math.nan)
                    for s in plan.seeds_of(norm)
                ]
            ),
            delta=DELTA,
            claimed="greater",
            style="points",
            unit=text("percentage points", "个百分点"),
            exploratory=True,
            undecided=undecided or unfitted(common_loss(context, norm, rates)),
        )
        for norm in rates
        if norm != "none"
    ]
    return verdicts, [_figure(rows)]


def _what(plan: Plan) -> Text:
    if "dropout" in plan.adjustable:
        return text(
            "How much less dropout, L1 and L2 lower the test error",
            "Dropout、L1、L2 降低测试错误率的作用减少了多少",
        )
    return text(
        "How much less L1 and L2 lower the test error",
        "L1、L2 降低测试错误率的作用减少了多少",
    )


def _plain(context: Context, norm: str, rate: float) -> dict[int, TrialSpec]:
    """The judged trials without a penalty: some of those whose gap is read."""
    followed = gap.trials(context, norm, rate)
    return {seed: followed[seed] for seed in context.plan.seeds_of(norm)}


def _with(spec: TrialSpec, penalty: str, strength: float) -> TrialSpec:
    return spec.but(**{penalty: strength})


Tuning = dict[float, list[TrialSpec]]
"""Tuning trials by strength of a penalty."""


def _penalised(context: Context, norm: str, rate: float) -> dict[str, Tuning]:
    """Tuning trials with every penalty at every strength."""
    plan = context.plan
    return {
        penalty: {
            strength: [
                _with(spec, penalty, strength)
                for spec in tuning_trials(context, norm, rate, plan.retuning_seeds_of(norm))
            ]
            for strength in (0.0, *strengths(penalty, plan.prototype.optimizer))
        }
        for penalty in plan.penalties
    }


Helps = dict[tuple[str, int], float]


def _helps(
    context: Context,
    rates: Mapping[str, float],
    chosen: Mapping[tuple[str, str], float],
    plain: Mapping[str, Mapping[int, Record]],
) -> tuple[Helps, list[dict[str, object]]]:
    """Points of test error that penalties take away, each at the strength best in validation."""
    plan = context.plan
    specs = {
        (norm, penalty, seed): _with(
            reduced_trial(context, norm, seed, rates[norm]), penalty, strength
        )
        if strength
        else _plain(context, norm, rates[norm])[seed]
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
    """The strength with the lowest validation error; none at all where every one makes it worse."""

    def error(strength: float) -> float:
        records = context.need(tuning[strength])
        values = [r.value("validation_error") for r in records if r is not None]
        return statistics.fmean(values) if values and all(map(math.isfinite, values)) else math.inf

    return min(tuning, key=error)


def _figure(rows: list[dict[str, object]]) -> Figure:
    return Plot(
        id="help",
        title=text("What dropout, L1 and L2 still bring", "Dropout、L1、L2 还能带来多少"),
        caption=text(
            "Percentage points of test error taken away by each penalty, at the strength that was "
            "best in validation, which may be none at all (zero for every seed). One dot per seed; "
            "above zero it helps.",
            "各正则化方法（强度在验证集上选定，也可能选中不用，此时各种子均为零）使测试错误率降低的百分点。"
            "每点为一个随机种子；大于零表示有帮助。",
        ),
        kind="points",
        x=Axis("norm", text("norm", "归一化方法"), "category"),
        y=Axis("helped", text("points of test error saved", "测试错误率降低的百分点")),
        facet="penalty",
        facets={
            "dropout": text("dropout", "Dropout"),
            "l1": text("L1 penalty", "L1 正则化"),
            "l2": text("L2 penalty", "L2 正则化"),
        },
        references=[{"axis": "y", "value": 0.0, "label": text("no help", "没有帮助")}],
        rows=rows,
    ).to_dict()
