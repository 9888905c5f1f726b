"""The tuning phase: a recipe in which the comparator trains, and every arm's own best rate."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from normkit.study.bilingual import Text, in_chinese, in_english, text
from normkit.study.plan import Plan
from normkit.study.record import Record
from normkit.study.spec import TrialSpec
from normkit.study.train import EVALUATED_IMAGES

Need = Callable[[Iterable[TrialSpec]], list[Record | None]]
Score = tuple[float, ...]
"""How bad the runs at a rate are: the lowest is taken."""

WIDENINGS = 2
"""How often a grid is widened on a side when the best rate lies on its edge."""


@dataclass(frozen=True)
class Recipe:
    """What the tuning phase found; all judged trials of the base recipe share it."""

    found: bool
    """Whether "none" trains in it. If not, what compares with "none" proves nothing."""
    learned: bool
    """Whether any arm trains in it. If not, no comparison of what trains proves anything."""
    init: str
    depth: int | None
    rates: dict[str, float]
    at_edge: tuple[str, ...]
    """Arms whose best rate lies at the edge of its grid even after widening."""
    threshold: float
    """Training accuracy from which a network counts as trained."""
    target: float
    """Training accuracy whose first reaching is timed, the same for all arms."""

    def trains(self, record: Record | None) -> bool:
        """The one rule: final training accuracy at least half-way from chance to the best."""
        return record is not None and record.accuracy >= self.threshold

    def untrained(self, records: Collection[Record | None]) -> Text | None:
        """Told where most of an arm's runs never train, so that nothing is learnt from them."""
        failed = sum(not self.trains(record) for record in records)
        if 2 * failed <= len(records):
            return None
        return text("most of the networks never trained", "多数网络从未训练成功")

    @property
    def no_comparator(self) -> Text | None:
        """Told where "none" never trained, so that comparing with it proves nothing."""
        if self.found:
            return None
        return text("comparator never trained", "对照组从未训练成功")

    @property
    def nothing_learned(self) -> Text | None:
        """Told where no arm trained, so that counting what trains proves nothing."""
        return None if self.learned else text("no arm trained", "所有方法都未训练成功")


@dataclass(frozen=True)
class Tuned:
    """The outcome of a search over rates."""

    rate: float
    accuracy: float
    """Median final training accuracy over the tuning seeds, at the best rate."""
    runs: Mapping[float, Sequence[Record]]
    """The tuning runs at every rate tried."""
    at_edge: bool
    """Whether a rate beyond those tried may be better still; an arm that never learns has none."""


def _threshold(chance: float, best: float) -> float:
    """Half-way from chance to the best arm; but never so near to chance that luck could do it."""
    luck = 3 * math.sqrt(chance * (1 - chance) / EVALUATED_IMAGES)
    return chance + max((best - chance) / 2, (1 - chance) / 10, luck)


Start = tuple[str, int | None]
"""An initialisation and a depth: where a recipe starts from."""


def _as(start: Start) -> dict[str, Any]:
    return {"init": start[0], "depth": start[1]}


def tune(plan: Plan, need: Need) -> Recipe:
    """Find the base recipe and each norm's best rate, on the tuning seeds and validation part.

    Initialisations are tried in this order: the model's own, He, orthogonal; then He at half the
    depth, where a study can set it. The first in which "none" trains is the base. A network that is
    studied as it is has its own.
    """
    own = plan.prototype.depth
    base = _comparators_start(plan, need) if "none" in plan.norms else ("default", own)
    found = base is not None
    init, depth = base or ("he", own)
    changes = _as((init, depth))
    need([spec for norm in plan.norms for spec in grid(plan, norm, plan.rates, **changes)])
    arms = {norm: best_rate(plan, need, norm, **changes) for norm in plan.norms}
    best = max(arm.accuracy for arm in arms.values())
    level = _threshold(plan.chance, best)
    slowest = min((a.accuracy for a in arms.values() if a.accuracy >= level), default=best)
    return Recipe(
        found=found and ("none" not in arms or arms["none"].accuracy >= level),
        init=init,
        depth=depth,
        rates={norm: arm.rate for norm, arm in arms.items()},
        at_edge=tuple(norm for norm, arm in arms.items() if arm.at_edge),
        learned=best >= level,
        threshold=level,
        target=plan.chance + 0.9 * (slowest - plan.chance),
    )


def _comparators_start(plan: Plan, need: Need) -> Start | None:
    """The first start in which "none" trains; None where it does in none."""
    depth = plan.prototype.depth
    candidates: list[Start] = [("default", depth), ("he", depth)]
    # In one request, so that the workers are not idle between them.
    need(
        [s for start in candidates for s in grid(plan, "none", plan.rates, **_as(start))]
        + grid(plan, plan.headline, plan.rates, **_as(candidates[1]))
    )
    tuned = {start: best_rate(plan, need, "none", **_as(start)) for start in candidates}
    ceiling = best_rate(plan, need, plan.headline, **_as(candidates[1])).accuracy

    def first_that_trains() -> Start | None:
        best = max([ceiling, *(t.accuracy for t in tuned.values())])
        level = _threshold(plan.chance, best)
        return next((start for start in candidates if tuned[start].accuracy >= level), None)

    fallbacks: list[Start] = [("orthogonal", depth)]
    if "depth" in plan.adjustable and depth and depth >= 4:
        fallbacks.append(("he", depth // 2))
    while (base := first_that_trains()) is None and fallbacks:
        candidates.append(fallbacks.pop(0))
        tuned[candidates[-1]] = best_rate(plan, need, "none", **_as(candidates[-1]))
    return base


def grid(
    plan: Plan,
    norm: str,
    rates: Iterable[float],
    seeds: Iterable[int] | None = None,
    **changes: Any,
) -> list[TrialSpec]:
    """The tuning trials of a norm at these rates."""
    seeds = tuple(seeds or plan.tuning_seeds_of(norm))
    return [plan.trial(norm, seed, rate).but(**changes) for rate in rates for seed in seeds]


def by_error(records: Sequence[Record]) -> Score:
    """Mean validation error and, where that is equal, loss; infinite if a seed diverges."""
    return _mean(records, "validation_error"), *by_loss(records)


def by_loss(records: Sequence[Record]) -> Score:
    """Mean validation loss, infinite if a seed diverges."""
    return (_mean(records, "validation_loss"),)


def _mean(records: Sequence[Record], name: str) -> float:
    # A rate at which a seed diverges is worse than any at which none does.
    if not records or any(r.status != "ok" for r in records):
        return math.inf
    return statistics.fmean(r.value(name) for r in records)


def best_rate(
    plan: Plan,
    need: Need,
    norm: str,
    rates: Iterable[float] | None = None,
    seeds: Iterable[int] | None = None,
    score: Callable[[Sequence[Record]], Score] = by_error,
    **changes: Any,
) -> Tuned:
    """The rate whose runs score lowest on the tuning seeds; by validation error, unless told.

    The plan's grid is widened while the best rate lies on its edge, at most twice on a side; a
    grid on which nothing learns is not, since its edge says nothing.

    Args:
        plan: whose grid and tuning seeds to use.
        need: asks for trials.
        norm: the arm.
        rates: a grid of its own; the plan's unless given.
        seeds: tuning seeds of its own; the arm's unless given.
        score: what is lowest at the best rate.
        changes: what the trials have different from the plan's prototype.
    """
    tried = sorted(rates or plan.rates)
    below = above = WIDENINGS
    while True:
        specs = grid(plan, norm, tried, seeds, **changes)
        by_rate: dict[float, list[Record]] = {rate: [] for rate in tried}
        for spec, record in zip(specs, need(specs), strict=True):
            if record is not None:
                by_rate[spec.rate].append(record)
        scores = {rate: score(by_rate[rate]) for rate in tried}
        best = min(tried, key=lambda rate: scores[rate])
        accuracy = statistics.median([r.accuracy for r in by_rate[best]] or [0.0])
        learns = accuracy >= _threshold(plan.chance, plan.chance)
        if learns and best == tried[0] and below:
            below -= 1
            tried.insert(0, half_decade(best, -1))
        elif learns and best == tried[-1] and above:
            above -= 1
            tried.append(half_decade(best, +1))
        else:
            at_edge = learns and best in (tried[0], tried[-1])
            return Tuned(best, accuracy, by_rate, at_edge)


def edges_told(norms: Sequence[str]) -> Text:
    """A sentence on the arms whose best rate lies at the edge of those tried; empty for none."""
    if not norms:
        return text("", "")
    return text(
        f" For {in_english(norms)} the best rate lies at the edge of those tried: one beyond it "
        "may be better.",
        f"{in_chinese(norms)} 的最佳学习率位于所试范围的边缘：范围之外可能还有更好的。",
    )


def half_decade(rate: float, steps: int) -> float:
    """The rate `steps` half-decades away, on the grid …, 0.01, 0.03, 0.1, ….

    >>> half_decade(0.1, 1), half_decade(0.3, 1), half_decade(0.03, -1)
    (0.3, 1.0, 0.01)
    """
    position = round(2 * math.log10(rate)) + steps
    return float(f"{10.0 ** (position // 2) * (3 if position % 2 else 1):g}")
