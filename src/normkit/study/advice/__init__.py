"""What a study advises: from its own measurements, and from nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from normkit.study.advice.choice import choice, nothing, runner_up
from normkit.study.advice.limits import change, untested
from normkit.study.advice.measured import Judged, mean
from normkit.study.advice.use import batch, place, price, rate
from normkit.study.bilingual import Text
from normkit.study.context import Context


def advise(context: Context, judged: Judged) -> dict[str, Any]:
    """Which norm, where, at which rate and batch, what it costs; and how far that can be trusted.

    The norm is chosen by validation error, so that the test error told of it is not the lowest of
    several by luck alone. Every sentence holds the numbers that it rests on.

    Args:
        context: of a study whose trials have all run.
        judged: the verdicts as the results document has them.
    """
    runs = context.base_runs(context.plan.norms)
    trained = [n for n in runs if runs[n] and not context.recipe.untrained(runs[n].values())]
    if not trained:
        return {"norm": None, "points": [_point("norm", [nothing(context)])]}
    # On the seeds that all of them have, so that none is chosen for having had the easier ones.
    shared = set.intersection(*(set(runs[norm]) for norm in trained))
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


def _point(id_: str, texts: Iterable[Text]) -> dict[str, Any]:
    return {"id": id_, "texts": list(texts)}
