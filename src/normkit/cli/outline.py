"""A plan in words, for `normkit study --dry-run`."""

from __future__ import annotations

from collections import Counter

from normkit.cli.progress import duration
from normkit.study.progress import Outline
from normkit.study.rehearsal import rehearse


def shown(outline: Outline) -> str:
    """The plan: claims, arms, seeds, trials, what was dropped, and the estimated time."""
    plan = outline.plan
    tasks = rehearse(plan)
    trials = Counter(task.spec.norm for task in tasks)
    longest = max(task.spec.steps for task in tasks)
    lines = [
        f"claims     {', '.join(plan.claims)}",
        f"norms      {', '.join(plan.norms)}; headline: {plan.headline}",
        f"seeds      {plan.seeds_told['en']}",
        f"rates      {', '.join(f'{rate:g}' for rate in plan.rates)}, widened where needed",
        f"trials     about {sum(trials.values())} of at most {longest} steps "
        f"({', '.join(f'{norm} {count}' for norm, count in trials.items())})",
        f"step       {', '.join(f'{n} {1e3 * p[0]:.1f} ms' for n, p in outline.pace.items())}",
        f"time       about {duration(outline.seconds)} on {_workers(outline.workers)}; "
        f"budget {duration(outline.budget_seconds)}",
    ]
    if plan.dropped:
        lines += ["left out:", *(f"  - {told['en']}" for told in plan.dropped)]
    if outline.seconds > outline.budget_seconds:
        lines.append("Even the smallest plan is estimated to take longer than the budget.")
    return "\n".join(lines)


def _workers(count: int) -> str:
    return "1 worker" if count == 1 else f"{count} workers"
