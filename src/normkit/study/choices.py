"""Which norm should I use here? Every arm's error, time and memory, side by side."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from normkit.study.bilingual import Text, joined, text
from normkit.study.claims.convergence import steps_to
from normkit.study.claims.cost import cost_records
from normkit.study.context import Context
from normkit.study.tuning import edges_told
from normkit.study.verdict import CONFIDENCE, Condition, paired

Cell = dict[str, float | None]

COLUMNS: tuple[tuple[str, Text, str, str | None, tuple[Condition, ...]], ...] = (
    ("test_error", text("test error", "测试错误率"), "percent", "low", ()),
    ("steps", text("steps to target", "达到目标的步数"), "number", "low", ("target",)),
    ("seconds", text("time to target", "达到目标的时间"), "seconds", "low", ("target", "machine")),
    (
        "seconds_per_step",
        text("time per step", "每步时间"),
        "milliseconds",
        "low",
        ("machine",),
    ),
    ("bytes", text("memory for backward", "反向传播占用内存"), "bytes", "low", ()),
    ("rate", text("best learning rate", "最佳学习率"), "rate", None, ()),
)


def compare(context: Context) -> dict[str, Any]:
    """The table of choices, as the results document has it."""
    plan, recipe = context.plan, context.recipe
    limit = plan.prototype.steps
    runs = context.base_runs(plan.norms)
    costs = cost_records(context)
    rows = []
    for norm in plan.norms:
        records = list(runs[norm].values())
        steps = [steps_to(record, recipe.target, limit) for record in records]
        timed = [r for r in costs if norm in r.times["seconds_per_step"]]
        per_step = [record.times["seconds_per_step"][norm] for record in timed]
        held = [float(record.probes["bytes_for_backward"][norm]) for record in timed]
        pace = statistics.median(per_step) if per_step else math.nan
        reached = statistics.median(steps) if steps else math.nan
        # At the limit the target was not reached in at least half of the runs.
        arrived = reached if reached < limit else math.nan
        rows.append(
            {
                "norm": norm,
                "seeds": len(records),
                "exploratory": norm != "none" and plan.is_exploratory(norm),
                "values": {
                    "test_error": _mean([r.value("test_error") for r in records]),
                    "steps": _cell(arrived),
                    "seconds": _cell(arrived * pace),
                    "seconds_per_step": _cell(1e3 * pace),
                    "bytes": _cell(held[0] if held else math.nan),
                    # An arm none of whose trials ran has no best rate, whatever it stands at.
                    "rate": _cell(recipe.rates[norm] if records else math.nan),
                },
            }
        )
    return {
        "columns": [
            {
                "id": id_,
                "title": title,
                "format": format_,
                "better": better,
                "depends": list(depends),
            }
            for id_, title, format_, better, depends in COLUMNS
        ],
        "rows": rows,
        "note": joined(_how(limit, recipe.target), edges_told(recipe.at_edge)),
    }


def _how(limit: int, target: float) -> Text:
    return text(
        f"At equal budget ({limit} steps), each norm at its own best learning rate. Test "
        f"error with its 95 % interval over seeds; the target is {100 * target:.1f} % "
        "training accuracy; time and memory measured with nothing else running, one thread.",
        f"预算相同（{limit} 步），各用自己的最佳学习率。测试错误率附随机种子的 95 % 区间；"
        f"目标为训练准确率 {100 * target:.1f} %；时间与内存在无其他任务、单线程时测得。",
    )


def _cell(value: float) -> Cell:
    return {"value": value if math.isfinite(value) else None, "low": None, "high": None}


def _mean(values: Sequence[float]) -> Cell:
    """A share's mean over seeds, and its interval."""
    effect = paired(values)
    low, high = effect.interval(CONFIDENCE)
    return {
        "value": effect.value if math.isfinite(effect.value) else None,
        "low": max(low, 0.0) if math.isfinite(low) else None,
        "high": min(high, 1.0) if math.isfinite(high) else None,
    }
