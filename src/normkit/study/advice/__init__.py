"""What a study advises: from its own measurements, and from nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from normkit.study.advice.choice import choice, nothing, runner_up
from normkit.study.advice.limits import change, untested
from normkit.study.advice.measured import Judged, mean
from normkit.study.advice.use import batch, place, price, rate
from normkit.study.bilingual import Text
from normkit.study.context import Context, Runs


def advise(context: Context, judged: Judged) -> dict[str, Any]:
    """Which norm, where, at which rate and batch, what it costs; and how far that can be trusted.

    The norm is chosen by validation error, so that the test error told of it is not the lowest of
    several by luck alone. Every sentence holds the numbers that it rests on.

    Args:
        context: of a study whose trials have all run.
        judged: the verdicts as the results document has them.
    """
    runs = context.base_runs(context.plan.norms)
    trained, shared = _comparable(context, runs)
    if not trained:
        return {"norm": None, "points": [_point("norm", [nothing(context)])]}
    validation = {norm: mean(runs[norm], "validation_error", shared) for norm in trained}
    ranked = sorted(trained, key=lambda norm: validation[norm])
    best = ranked[0]
    points = [
        _point("norm", [choice(runs, ranked, validation[best], len(shared))]),
        _point("place", place(context, best, judged)),
        _point("rate", [rate(context, best)]),
        _point("batch", batch(context, best, judged)),
        _point("price", price(best, judged)),
        _point("runner_up", runner_up(runs, ranked)),
        _point("change", change(runs, ranked, judged)),
        _point("untested", untested(context, ranked)),
    ]
    return {"norm": best, "points": [point for point in points if point["texts"]]}


def _comparable(context: Context, runs: Runs) -> tuple[list[str], set[int]]:
    """The arms that train, and the seeds that all of them have.

    They are compared on these, so that none is chosen for having had the easier ones. An arm that
    lost half its seeds or more, or has none in common with the rest, is left out.
    """
    planned = context.plan.seeds_of
    arms = [
        norm
        for norm, by_seed in runs.items()
        if 2 * len(by_seed) > len(planned(norm)) and not context.recipe.untrained(by_seed.values())
    ]
    kept: list[str] = []
    shared: set[int] = set()
    # Those with the most seeds first, which are the ones that count most.
    for norm in sorted(arms, key=lambda norm: -len(runs[norm])):
        common = set(runs[norm]) & shared if kept else set(runs[norm])
        if common:
            kept.append(norm)
            shared = common
    return [norm for norm in arms if norm in kept], shared


def _point(id_: str, texts: Iterable[Text]) -> dict[str, Any]:
    return {"id": id_, "texts": list(texts)}
